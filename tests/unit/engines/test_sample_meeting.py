"""The sample meeting from sound to minutes: what the offline engines make of real voices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workers.engines.minutes import make_minutes
from workers.engines.speech import Transcript, choose
from workers.engines.word_error import align, word_error_rate

SAMPLES = Path(__file__).parents[3] / "samples"
SAID: list[dict[str, Any]] = json.loads((SAMPLES / "meeting.json").read_text(encoding="utf-8"))["utterances"]


@pytest.fixture(scope="module")
def transcript() -> Transcript:
    return choose().transcribe(SAMPLES / "meeting.flac")


def heard_during(transcript: Transcript, said: dict[str, Any]) -> str:
    inside = [
        one for one in transcript.segments if said["start_ms"] <= (one.start_ms + one.end_ms) // 2 <= said["end_ms"]
    ]
    return " ".join(one.text for one in inside)


def test_the_word_error_rate_is_the_published_one(transcript: Transcript) -> None:
    rate = word_error_rate(" ".join(one["text"] for one in SAID), transcript.text)
    assert rate == pytest.approx(0.22, abs=0.06)


def test_every_utterance_is_heard_at_its_own_time(transcript: Transcript) -> None:
    for said in SAID:
        found = align(said["text"], heard_during(transcript, said))
        assert found.hits >= found.reference_words / 3, said["text"]


def test_the_minutes_hold_a_true_decision_and_true_tasks(transcript: Transcript) -> None:
    segments = [{"id": f"s{i}", "text": one.text} for i, one in enumerate(transcript.segments)]
    minutes = make_minutes(segments)
    decided = {heard_during(transcript, said) for said in SAID if said["decision"]}
    asked = " | ".join(heard_during(transcript, said) for said in SAID if said["action"])
    assert {one.text for one in minutes.decisions} == decided == {"the conference has been extended"}
    assert "go forward ten meters" in {one.text for one in minutes.action_items}
    assert all(one.text in asked for one in minutes.action_items)
