"""The sample recordings are what their descriptions say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workers.engines.media.decode import open_audio

SAMPLES = Path(__file__).parents[3] / "samples"
NAMES = ("meeting", "second")


def facts(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_small_and_has_the_stated_length(name: str) -> None:
    path = SAMPLES / f"{name}.flac"
    assert path.stat().st_size <= 1_000_000
    samples = sum(len(block) for block in open_audio(path))
    assert abs(samples / 16 - facts(name)["duration_ms"]) <= 1
    assert 30_000 <= facts(name)["duration_ms"] <= 90_000


@pytest.mark.parametrize("name", NAMES)
def test_utterances_stand_apart_in_order_and_inside_the_recording(name: str) -> None:
    said = facts(name)["utterances"]
    assert said[0]["start_ms"] > 0
    assert said[-1]["end_ms"] < facts(name)["duration_ms"]
    for before, after in pairwise(said):
        assert after["start_ms"] - before["end_ms"] >= 800


@pytest.mark.parametrize("name", NAMES)
def test_speech_is_where_the_times_say_and_noise_is_between(name: str) -> None:
    sound = np.concatenate(list(open_audio(SAMPLES / f"{name}.flac"))).astype(np.float64)

    def level(start_ms: int, end_ms: int) -> float:
        return float(np.sqrt((sound[start_ms * 16 : end_ms * 16] ** 2).mean()))

    said = facts(name)["utterances"]
    pauses = [level(before["end_ms"], after["start_ms"]) for before, after in pairwise(said)]
    assert min(level(one["start_ms"], one["end_ms"]) for one in said) > 10 * max(pauses)
    assert min(pauses) > 1, "the pauses hold no noise"


def test_the_meeting_has_several_voices_a_decision_and_an_action() -> None:
    said = facts("meeting")["utterances"]
    assert len({one["speaker"] for one in said}) >= 3
    assert any(one["decision"] for one in said)
    assert any(one["action"] for one in said)


def test_the_two_samples_share_no_utterance() -> None:
    first, second = ({one["text"] for one in facts(name)["utterances"]} for name in NAMES)
    assert not first & second


def test_the_readme_lists_every_utterance_and_every_licence() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        for one in facts(name)["utterances"]:
            assert f"| {one['speaker']} | {one['text']} |" in readme
    for licence in (SAMPLES / "licences").iterdir():
        assert f"licences/{licence.name}" in readme
