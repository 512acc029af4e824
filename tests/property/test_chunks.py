"""The plan of chunks, for any recording: no hole, no overlap, lengths within bounds, cuts in pauses."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.errors import InvalidInput
from workers.engines.media.chunks import plan_chunks


@st.composite
def recordings(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Draw a length and spans of speech in order, apart from each other, anywhere between nothing and everything."""
    lengths = draw(st.lists(st.integers(1, 90_000), max_size=40))
    spans, at = [], 0
    for nth, length in enumerate(lengths):
        if nth % 2 == 0:
            spans.append((at, at + length))
        at += length
    before = draw(st.sampled_from([0, 0, 1, 99, 100, 40_000]))
    after = draw(st.sampled_from([0, 1, 99, 100, 40_000]))
    shifted = [(start + before, end + before) for start, end in spans]
    return max(before + at + after, 1), shifted


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, int]:
    min_ms = draw(st.sampled_from([1, 500, 5_000, 20_000]))
    max_ms = draw(st.integers(2 * min_ms, 2 * min_ms + 60_000))
    target_ms = draw(st.integers(min_ms, max_ms))
    return {"target_ms": target_ms, "min_ms": min_ms, "max_ms": max_ms, "overlap_ms": draw(st.integers(0, min_ms))}


small_bounds = bounds().filter(lambda b: b["target_ms"] >= 400)  # a million chunks prove no more than a thousand


@given(recordings(), small_bounds)
def test_chunks_cover_the_recording_without_hole_or_overlap(
    recording: tuple[int, list[tuple[int, int]]], lengths: dict[str, int]
) -> None:
    duration_ms, speech = recording
    chunks = plan_chunks(duration_ms, speech, **lengths)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0].start_ms == 0
    assert chunks[-1].end_ms == duration_ms
    assert all(left.end_ms == right.start_ms for left, right in pairwise(chunks))


@given(recordings(), small_bounds)
def test_chunks_keep_the_bounds(recording: tuple[int, list[tuple[int, int]]], lengths: dict[str, int]) -> None:
    duration_ms, speech = recording
    chunks = plan_chunks(duration_ms, speech, **lengths)
    assert all(chunk.end_ms - chunk.start_ms <= lengths["max_ms"] for chunk in chunks)
    if duration_ms >= lengths["min_ms"]:
        assert all(chunk.end_ms - chunk.start_ms >= lengths["min_ms"] for chunk in chunks)
    else:
        assert len(chunks) == 1


@given(recordings(), small_bounds)
def test_the_context_is_the_overlap_within_the_recording(
    recording: tuple[int, list[tuple[int, int]]], lengths: dict[str, int]
) -> None:
    duration_ms, speech = recording
    for chunk in plan_chunks(duration_ms, speech, **lengths):
        assert chunk.context_start_ms == max(chunk.start_ms - lengths["overlap_ms"], 0)
        assert chunk.context_end_ms == min(chunk.end_ms + lengths["overlap_ms"], duration_ms)


@given(recordings(), small_bounds)
def test_every_moment_of_speech_is_counted_once(
    recording: tuple[int, list[tuple[int, int]]], lengths: dict[str, int]
) -> None:
    duration_ms, speech = recording
    chunks = plan_chunks(duration_ms, speech, **lengths)
    assert sum(chunk.speech_ms for chunk in chunks) == sum(end - start for start, end in speech)
    assert all(0 <= chunk.speech_ms <= chunk.end_ms - chunk.start_ms for chunk in chunks)


@given(recordings(), small_bounds)
def test_speech_is_only_cut_where_no_pause_is_within_reach(
    recording: tuple[int, list[tuple[int, int]]], lengths: dict[str, int]
) -> None:
    duration_ms, speech = recording
    inside = [(0, 0), *speech, (duration_ms, duration_ms)]
    pauses = [(a[1], b[0]) for a, b in pairwise(inside) if b[0] - a[1] >= 100]
    for chunk in plan_chunks(duration_ms, speech, **lengths)[:-1]:
        cut = chunk.end_ms
        if any(start < cut < end for start, end in speech):
            first = chunk.start_ms + lengths["min_ms"]
            last = min(chunk.start_ms + lengths["max_ms"], duration_ms - lengths["min_ms"])
            assert not [pause for pause in pauses if pause[0] < last and pause[1] > first]


@pytest.mark.parametrize(
    "lengths",
    [
        {"min_ms": 0},
        {"target_ms": 4_000},
        {"target_ms": 61_000},
        {"min_ms": 30_001, "target_ms": 30_001},
        {"overlap_ms": -1},
        {"overlap_ms": 5_001},
    ],
)
def test_lengths_that_contradict_each_other_are_refused(lengths: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_chunks(100_000, [], **lengths)
    assert refused.value.code == "options_invalid"


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to cut"):
        plan_chunks(0, [])


def test_cuts_fall_near_the_target_and_off_the_edges_of_pauses() -> None:
    speech = [(0, 28_000), (28_900, 57_000), (58_000, 100_000)]
    chunks = plan_chunks(100_000, speech)
    assert [chunk.end_ms for chunk in chunks][:2] == [28_650, 57_750]
