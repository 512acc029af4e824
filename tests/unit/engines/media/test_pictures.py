"""Thumbnails and waveforms."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.media_samples import tone, write_sound, write_video, write_wav
from workers.engines.errors import Cancelled, InvalidInput
from workers.engines.media.thumbnail import thumbnail
from workers.engines.media.waveform import waveform


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Make fifty pictures, each a little brighter than the one before."""
    return write_video(tmp_path / "v.mp4", frames=50, fps=25, options={"g": "10"})


def brightness(path: Path) -> float:
    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png"])
def test_the_picture_shown_at_a_time_is_written(tmp_path: Path, video: Path, suffix: str) -> None:
    out = tmp_path / f"t.{suffix}"
    done = thumbnail(video, out, time_ms=1010)
    assert (done.width, done.height, done.time_ms) == (160, 120, 1000)
    assert done.bytes == out.stat().st_size
    assert out.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"\xff\xd8\xff")
    assert brightness(out) == pytest.approx(20 + 25 * 200 / 50, abs=5)


def test_after_the_end_it_is_the_last_picture(tmp_path: Path, video: Path) -> None:
    assert thumbnail(video, tmp_path / "t.png", time_ms=10_000_000).time_ms == 1960


@pytest.mark.parametrize(("bounds", "size"), [((80, 80), (80, 60)), ((1000, 30), (40, 30)), ((1, 1), (1, 1))])
def test_it_fits_into_the_bounds(tmp_path: Path, video: Path, bounds: tuple[int, int], size: tuple[int, int]) -> None:
    done = thumbnail(video, tmp_path / "t.png", max_width=bounds[0], max_height=bounds[1])
    assert (done.width, done.height) == size


def test_it_is_upright(tmp_path: Path) -> None:
    done = thumbnail(write_video(tmp_path / "v.mp4", rotation=90, frames=5), tmp_path / "t.png")
    assert (done.width, done.height) == (120, 160)


@pytest.mark.parametrize("size", [(1, 1), (7, 3)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "v.mkv", muxer="matroska", codec="ffv1", size=size, frames=3, sound=None)
    done = thumbnail(path, tmp_path / "t.jpg")
    assert (done.width, done.height) == size


def test_sound_has_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no video stream"):
        thumbnail(write_wav(tmp_path / "s.wav", tone(1)), tmp_path / "t.png")
    assert not (tmp_path / "t.png").exists()


@pytest.mark.parametrize(
    "options", [{"time_ms": -1}, {"max_width": 0}, {"max_height": 10**6}, {"format": "gif"}, {"format": "webp"}]
)
def test_impossible_thumbnails_are_refused(tmp_path: Path, video: Path, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        thumbnail(video, tmp_path / "t.png", **options)  # type: ignore[arg-type] # wrong values are the point
    assert refused.value.code == "options_invalid"


def test_a_thumbnail_can_be_cancelled(tmp_path: Path, video: Path) -> None:
    with pytest.raises(Cancelled):
        thumbnail(video, tmp_path / "t.png", cancelled=lambda: True)


def test_a_waveform_is_the_peak_of_each_part(tmp_path: Path) -> None:
    samples = np.concatenate([tone(1, level=0.1), tone(1, level=0.8), np.zeros(16_000), tone(1, level=0.4)])
    assert waveform(write_wav(tmp_path / "s.wav", samples), 4) == pytest.approx([0.1, 0.8, 0, 0.4], abs=0.01)


def test_a_short_recording_has_a_point_for_every_10_ms(tmp_path: Path) -> None:
    assert len(waveform(write_wav(tmp_path / "s.wav", tone(0.055)), 1000)) == 6


def test_the_loudest_sample_is_never_above_one(tmp_path: Path) -> None:
    assert waveform(write_wav(tmp_path / "s.wav", np.full(100, -32768)), 1) == [1.0]


@pytest.mark.parametrize("points", [0, -1, 100_001])
def test_an_impossible_number_of_points_is_refused(tmp_path: Path, points: int) -> None:
    with pytest.raises(InvalidInput):
        waveform(write_sound(tmp_path / "s.ogg", "ogg", "libopus", seconds=1), points)
