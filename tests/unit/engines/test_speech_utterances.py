"""Where utterances begin and end, on real voices with silence put around them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engines.media.decode import open_audio
from workers.engines.speech.utterances import RATE_HZ, Cut, utterances

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="module")
def meeting() -> NDArray[np.int16]:
    return np.concatenate(list(open_audio(SAMPLES / "meeting.flac")))


def test_every_spoken_utterance_of_the_sample_is_covered(meeting: NDArray[np.int16]) -> None:
    found = list(utterances([meeting]))
    for spoken in json.loads((SAMPLES / "meeting.json").read_text())["utterances"]:
        middle = (spoken["start_ms"] + spoken["end_ms"]) // 2
        assert any(one.start_ms < spoken["end_ms"] and one.end_ms > spoken["start_ms"] for one in found), (
            f"nothing was cut out around {middle} ms"
        )


def test_utterances_are_ordered_and_do_not_overlap(meeting: NDArray[np.int16]) -> None:
    for before, after in pairwise(utterances([meeting])):
        assert before.end_ms <= after.start_ms


def test_the_samples_of_an_utterance_are_those_at_its_time(meeting: NDArray[np.int16]) -> None:
    for one in utterances([meeting]):
        first = one.start_ms * RATE_HZ // 1000
        assert np.array_equal(one.samples, meeting[first : first + len(one.samples)])


def test_the_length_of_the_blocks_changes_nothing(meeting: NDArray[np.int16]) -> None:
    def shape(size: int) -> list[tuple[int, int]]:
        blocks = (meeting[at : at + size] for at in range(0, len(meeting), size))
        return [(one.start_ms, one.end_ms) for one in utterances(blocks)]

    assert shape(len(meeting)) == shape(777) == shape(480)


def test_silence_has_no_utterance() -> None:
    assert list(utterances([np.zeros(RATE_HZ * 3, dtype=np.int16)])) == []
    assert list(utterances([])) == []


def test_a_long_utterance_is_cut_and_loses_no_sample(meeting: NDArray[np.int16]) -> None:
    cut = Cut(max_ms=1_500, pause_ms=5_000)
    found = list(utterances([meeting[: RATE_HZ * 10]], cut))
    assert max(one.end_ms - one.start_ms for one in found) <= 1_500
    assert all(before.end_ms == after.start_ms for before, after in pairwise(found))
