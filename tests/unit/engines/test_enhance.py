"""Video enhancement: less noise by measure, every picture kept, the sound kept."""

import json
import subprocess
import sys
from pathlib import Path

import av.filter
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.media_samples import sound_of, write_sound, write_video
from workers.engines.enhance import enhance, main
from workers.engines.errors import Cancelled, InvalidInput, NotConfigured
from workers.engines.media import guard
from workers.engines.media.operations import OPERATIONS
from workers.engines.media.video import open_video

SIZE = (320, 240)


def scene(frames: int) -> list[NDArray[np.uint8]]:
    """Return pictures of a still room in which something moves: edges, slopes and a bright square."""
    across, down = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]))
    room = 60 + 80 * across + 40 * down + 30 * (np.sin(across * 40) > 0.3) * (down > 0.6)
    pictures = []
    for nth in range(frames):
        picture = room.copy()
        picture[60:90, 20 + 4 * nth : 50 + 4 * nth] = 220
        pictures.append(np.repeat(picture[:, :, None], 3, axis=2).astype(np.uint8))
    return pictures


def noisy(pictures: list[NDArray[np.uint8]], deviation: float) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(4)
    return [
        np.clip(p + random.normal(0, deviation, p.shape[:2])[:, :, None], 0, 255).astype(np.uint8) for p in pictures
    ]


def grey(path: Path) -> list[NDArray[np.float64]]:
    return [picture.frame.to_ndarray(format="gray").astype(float) for picture in open_video(path)]


def psnr_db(pictures: list[NDArray[np.float64]], clean: list[NDArray[np.float64]]) -> float:
    error = np.mean([np.mean((a - b) ** 2) for a, b in zip(pictures, clean, strict=True)])
    return float(10 * np.log10(255**2 / error))


@pytest.fixture
def noisy_video(tmp_path: Path) -> Path:
    return write_video(
        tmp_path / "noisy.mkv",
        muxer="matroska",
        codec="ffv1",
        size=SIZE,
        frames=40,
        pictures=noisy(scene(40), 12),
    )


@pytest.fixture
def clean_pictures(tmp_path: Path) -> list[NDArray[np.float64]]:
    path = write_video(
        tmp_path / "clean.mkv", muxer="matroska", codec="ffv1", size=SIZE, frames=40, pictures=scene(40), sound=None
    )
    return grey(path)


def test_noise_is_lowered_by_at_least_5_db(
    tmp_path: Path, noisy_video: Path, clean_pictures: list[NDArray[np.float64]]
) -> None:
    enhance(noisy_video, tmp_path / "out.mp4", operations=["denoise"])
    before, after = psnr_db(grey(noisy_video), clean_pictures), psnr_db(grey(tmp_path / "out.mp4"), clean_pictures)
    assert after - before > 5


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_keeps_every_picture_at_its_time(tmp_path: Path, operation: str) -> None:
    times = [n / 25 + (0.3 if n > 6 else 0) for n in range(12)]
    path = write_video(tmp_path / "v.mkv", muxer="matroska", frames=12, times=times)
    done = enhance(path, tmp_path / "out.mp4", operations=[operation])
    assert [picture.time_s for picture in open_video(tmp_path / "out.mp4")] == pytest.approx(times, abs=0.002)
    assert (done.width, done.height) == (160, 120)
    assert done.bytes == (tmp_path / "out.mp4").stat().st_size


def test_the_sound_is_kept(tmp_path: Path, noisy_video: Path) -> None:
    enhance(noisy_video, tmp_path / "out.mp4", operations=["sharpen"])
    before, after = sound_of(noisy_video).astype(float), sound_of(tmp_path / "out.mp4").astype(float)
    shared = min(len(before), len(after))
    assert abs(len(before) - len(after)) < 1200
    assert np.corrcoef(before[:shared], after[:shared])[0, 1] > 0.98


def test_a_video_without_sound_stays_without(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", sound=None, frames=5)
    done = enhance(path, tmp_path / "out.webm", operations=["deband"], format="webm")
    assert done.duration_ms == pytest.approx(200, abs=50)


def test_scaling_makes_the_wanted_size(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=5)
    done = enhance(path, tmp_path / "out.mp4", operations=["scale", "sharpen"], target_width=320)
    assert (done.width, done.height) == (320, 240)
    assert done.fps == 25.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"operations": []}, "no operation"),
        ({"operations": ["magic"]}, "magic"),
        ({"operations": ["scale"]}, "need each other"),
        ({"operations": ["sharpen"], "target_width": 100}, "need each other"),
        ({"operations": ["scale"], "target_width": 100_000}, "larger than allowed"),
    ],
)
def test_impossible_requests_are_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    path = write_video(tmp_path / "v.mp4", frames=5)
    with pytest.raises(InvalidInput, match=words):
        enhance(path, tmp_path / "out.mp4", **options)  # type: ignore[arg-type] # wrong values are the point
    assert not (tmp_path / "out.mp4").exists()


def test_an_operation_whose_filter_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.filter, "filters_available", av.filter.filters_available - {"deshake"})
    with pytest.raises(NotConfigured, match=r"'stabilise'.*'deshake'"):
        enhance(write_video(tmp_path / "v.mp4", frames=5), tmp_path / "out.mp4", operations=["stabilise"])


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "s.mp3", "mp3", "libmp3lame", seconds=1)
    with pytest.raises(InvalidInput, match="no video stream"):
        enhance(path, tmp_path / "out.mp4", operations=["denoise"])


def test_cancelling_leaves_nothing_and_progress_rises(
    tmp_path: Path, noisy_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    told: list[float] = []
    enhance(noisy_video, tmp_path / "out.mp4", operations=["denoise"], progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    (tmp_path / "out.mp4").unlink()
    polls: list[int] = []
    with pytest.raises(Cancelled):
        enhance(
            noisy_video,
            tmp_path / "out.mp4",
            operations=["denoise"],
            cancelled=lambda: len(polls) > 20 or bool(polls.append(1)),
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["noisy.mkv"]


def test_the_command_line_answers_in_json(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=5)
    command = [sys.executable, "-m", "workers.engines.enhance", str(path), str(tmp_path / "out.mp4"), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["width"] == 160
    assert main([str(tmp_path / "nothing"), str(tmp_path / "x")]) == 1
