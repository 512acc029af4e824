"""Joining recordings: offsets, order, rates, and what fails."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.media_samples import damage, sound_of, tone, write_sound, write_wav
from workers.engines.errors import InvalidInput
from workers.engines.media.info import Gap
from workers.engines.media.merge import merge_audio


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    return [
        write_wav(tmp_path / "a.wav", tone(1, hz=300)),
        write_wav(tmp_path / "b.wav", tone(2, hz=600, rate=44_100), rate=44_100),
        write_sound(tmp_path / "c.ogg", "ogg", "libopus", seconds=0.5),
    ]


def test_files_of_any_kind_are_joined_at_one_rate(tmp_path: Path, parts: list[Path]) -> None:
    out = tmp_path / "all.wav"
    assert merge_audio(parts, out) == [0, 1000, 3000]
    joined = sound_of(out)
    assert np.array_equal(joined[:16_000], sound_of(parts[0]))
    assert np.array_equal(joined[16_000:48_000], sound_of(parts[1]))
    assert np.array_equal(joined[48_000:], sound_of(parts[2]))


def test_the_order_is_that_of_playing_and_offsets_that_of_the_files(tmp_path: Path, parts: list[Path]) -> None:
    out = tmp_path / "all.wav"
    assert merge_audio(parts, out, [2, 0, 1]) == [500, 1500, 0]
    assert np.array_equal(sound_of(out)[8000:24_000], sound_of(parts[0]))


def test_two_channels(tmp_path: Path, parts: list[Path]) -> None:
    merge_audio(parts, tmp_path / "all.wav", rate=48_000, channels=2)
    assert sound_of(tmp_path / "all.wav", rate=48_000, channels=2).shape == (168_000, 2)


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3], [0, 1, 2, 3], [-1, 0, 1]])
def test_an_order_that_is_no_permutation_is_refused(tmp_path: Path, parts: list[Path], order: list[int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        merge_audio(parts, tmp_path / "all.wav", order)
    assert refused.value.code == "options_invalid"


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing to merge"):
        merge_audio([], tmp_path / "all.wav")


def test_a_bad_file_is_named_and_nothing_is_left(tmp_path: Path, parts: list[Path]) -> None:
    (tmp_path / "bad.mp4").write_text("text")
    with pytest.raises(InvalidInput, match=r"bad\.mp4: is text"):
        merge_audio([*parts, tmp_path / "bad.mp4"], tmp_path / "all.wav")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "b.wav", "bad.mp4", "c.ogg"]


def test_gaps_are_told_in_the_times_of_the_joined_file(tmp_path: Path, parts: list[Path]) -> None:
    bad = damage(write_sound(tmp_path / "good.flac", "flac", "flac"), tmp_path / "bad.flac")
    alone: list[Gap] = []
    joined: list[Gap] = []
    sound_of(bad, on_gap=alone.append)
    merge_audio([parts[0], bad], tmp_path / "all.wav", on_gap=joined.append)
    assert [(gap.start_ms, gap.end_ms) for gap in joined] == [(g.start_ms + 1000, g.end_ms + 1000) for g in alone]
