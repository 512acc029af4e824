"""Transcoding: every format, pictures and sound in step, upright, and nothing left after a failure."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.media_samples import cut_off, damage, sound_of, tone, write_sound, write_video, write_wav
from workers.engines.errors import Cancelled, InvalidInput, NotConfigured
from workers.engines.media import guard, progress
from workers.engines.media.info import Gap
from workers.engines.media.limits import DEFAULT_LIMITS
from workers.engines.media.probe import probe
from workers.engines.media.profile import PROFILES
from workers.engines.media.transcode import extract_audio, transcode
from workers.engines.media.video import open_video


def pictures_of(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    """Return time and grey values of every picture."""
    return [(picture.time_s, picture.frame.to_ndarray(format="gray")) for picture in open_video(path)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", frames=50, fps=25)


@pytest.mark.parametrize(
    ("format_name", "codec"), [(name, codec) for name, profile in PROFILES.items() for codec in profile.video]
)
def test_every_video_format_is_made(tmp_path: Path, video: Path, format_name: str, codec: str) -> None:
    made = transcode(video, tmp_path / "out", format=format_name, video_codec=codec)
    assert made == probe(tmp_path / "out")
    assert (made.video[0].width, made.video[0].height, made.video[0].fps) == (160, 120, 25.0)
    assert made.duration_ms == pytest.approx(2000, abs=80)
    assert len(pictures_of(tmp_path / "out")) == 50
    assert len(sound_of(tmp_path / "out")) == pytest.approx(32_000, abs=1200)


@pytest.mark.parametrize(
    ("format_name", "codec"), [(name, codec) for name, p in PROFILES.items() if not p.video for codec in p.audio]
)
def test_every_sound_format_is_made(tmp_path: Path, video: Path, format_name: str, codec: str) -> None:
    made = transcode(video, tmp_path / "out", format=format_name, audio_codec=codec)
    assert not made.has_video
    samples = sound_of(tmp_path / "out")
    assert len(samples) == pytest.approx(32_000, abs=1200)
    assert np.abs(samples[8000:24_000].astype(int)).max() == pytest.approx(8192, rel=0.08)


def test_common_names_of_codecs_are_understood(tmp_path: Path, video: Path) -> None:
    made = transcode(video, tmp_path / "out", format="mkv", video_codec="vp9", audio_codec="opus")
    assert (made.video[0].codec, made.audio[0].codec) == ("vp9", "opus")


@pytest.mark.parametrize(("track", "left"), [("video_codec", (0, 1)), ("audio_codec", (1, 0))])
def test_a_track_can_be_left_out(tmp_path: Path, video: Path, track: str, left: tuple[int, int]) -> None:
    made = transcode(video, tmp_path / "out", format="mp4", **{track: "none"})  # type: ignore[arg-type] # by name
    assert (len(made.video), len(made.audio)) == left


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ({"width": 80}, (80, 60)),
        ({"height": 61}, (80, 60)),
        ({"width": 50, "height": 50}, (50, 50)),
        ({"width": 1}, (2, 2)),
        ({}, (160, 120)),
    ],
)
def test_sizes(tmp_path: Path, video: Path, wanted: dict[str, int], size: tuple[int, int]) -> None:
    made = transcode(video, tmp_path / "out", **wanted)  # type: ignore[arg-type] # by name
    assert (made.video[0].width, made.video[0].height) == size


@pytest.mark.parametrize(("size", "made_size"), [((1, 1), (2, 2)), ((7, 3), (6, 2))])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int], made_size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "v.mkv", muxer="matroska", codec="ffv1", size=size, frames=5, sound=None)
    made = transcode(path, tmp_path / "out")
    assert (made.video[0].width, made.video[0].height) == made_size


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_video_comes_out_upright(tmp_path: Path, rotation: int) -> None:
    marked = np.zeros((120, 160, 3), dtype=np.uint8)
    marked[:60, :80] = 255  # the upper left quarter is white
    path = write_video(tmp_path / "v.mp4", rotation=rotation, frames=5, pictures=[marked] * 5)
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0))
        stored = shown.to_ndarray(format="gray")
        upright = np.rot90(stored, k=round(shown.rotation) // 90)  # FFmpeg's angle is counterclockwise
    made = transcode(path, tmp_path / "out")
    picture = pictures_of(tmp_path / "out")[0][1]
    assert picture.shape == upright.shape == ((120, 160) if rotation % 180 == 0 else (160, 120))
    assert np.abs(picture.astype(int) - upright).mean() < 5
    assert made.video[0].rotation == 0


def test_a_varying_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.2, 1.9]
    path = write_video(tmp_path / "v.mkv", muxer="matroska", frames=7, times=times, sound=None)
    transcode(path, tmp_path / "out")
    assert [time for time, _ in pictures_of(tmp_path / "out")] == pytest.approx(times, abs=0.002)


def test_a_frame_rate_makes_it_constant(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.2, 1.9]
    path = write_video(tmp_path / "v.mkv", muxer="matroska", frames=7, times=times, sound=None)
    made = transcode(path, tmp_path / "out", frame_rate=10)
    assert made.video[0].fps == 10
    assert np.diff([time for time, _ in pictures_of(tmp_path / "out")]) == pytest.approx(0.1, abs=0.001)


def test_sound_and_pictures_stay_in_step_when_the_sound_starts_late(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", muxer="matroska", frames=75, sound_delay_s=1.0)
    transcode(path, tmp_path / "out")
    loud = np.flatnonzero(np.abs(sound_of(tmp_path / "out").astype(int)) > 4000)
    assert loud[0] / 16_000 == pytest.approx(1.0, abs=0.05)


def test_pictures_that_change_their_size_on_the_way_are_taken(tmp_path: Path) -> None:
    small = write_video(tmp_path / "s.h264", muxer="h264", size=(160, 120), frames=10, sound=None)
    large = write_video(tmp_path / "l.h264", muxer="h264", size=(320, 240), frames=10, sound=None)
    (tmp_path / "both.h264").write_bytes(small.read_bytes() + large.read_bytes())
    path = tmp_path / "v.mkv"
    with av.open(str(tmp_path / "both.h264")) as raw, av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream_from_template(raw.streams.video[0])
        for nth, packet in enumerate(raw.demux(raw.streams.video[0])):
            if packet.size:
                packet.pts = packet.dts = round(nth * 0.04 / packet.time_base)
                packet.stream = stream
                container.mux(packet)
    sizes = {(picture.frame.width, picture.frame.height) for picture in open_video(path)}
    assert sizes == {(160, 120), (320, 240)}
    transcode(path, tmp_path / "out")
    assert {frame.shape for _, frame in pictures_of(tmp_path / "out")} == {(120, 160)}


def test_progress_rises_to_one(tmp_path: Path, video: Path) -> None:
    told: list[float] = []
    transcode(video, tmp_path / "out", video_codec="vp9", format="webm", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert all(0 <= fraction <= 1 for fraction in told)


def test_progress_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BETWEEN_S", 0.0)
    told: list[float] = []
    steps = progress.Progress(told.append, 10.0)
    for time_s in (1, 5, 3, 5, 8, 40):
        steps.at(time_s)
    steps.done()
    assert told == [0.1, 0.5, 0.8, 0.99, 1.0]


def test_filters_of_the_list_are_applied_and_others_refused(tmp_path: Path, video: Path) -> None:
    transcode(video, tmp_path / "out", filters=["deinterlace", "denoise", "sharpen", "deband"])
    assert len(pictures_of(tmp_path / "out")) == 50
    with pytest.raises(InvalidInput, match="movie=/etc/passwd"):
        transcode(video, tmp_path / "out2", filters=["movie=/etc/passwd"])
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "exe"}, "format 'exe'"),
        ({"format": "webm", "video_codec": "libx264"}, "does not go into webm"),
        ({"quality": "best"}, "quality 'best'"),
        ({"frame_rate": 0.5}, "frame rate"),
        ({"frame_rate": 1000}, "frame rate"),
        ({"bitrate": 1}, "bitrate"),
        ({"width": 0}, "side of 0"),
        ({"width": 100_000}, "larger than allowed"),
        ({"video_codec": "none", "audio_codec": "none"}, "nothing to make"),
    ],
)
def test_impossible_requests_are_refused(tmp_path: Path, video: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        transcode(video, tmp_path / "out", **options)  # type: ignore[arg-type] # wrong values are the point
    assert refused.value.code == "options_invalid"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.mp4"]


@pytest.mark.parametrize("codec", ["copy", "av1"])
def test_what_this_build_cannot_make_is_named(tmp_path: Path, video: Path, codec: str) -> None:
    with pytest.raises(NotConfigured, match=codec):
        transcode(video, tmp_path / "out", video_codec=codec)


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "s.mp3", "mp3", "libmp3lame", seconds=1)
    with pytest.raises(InvalidInput, match=r"s\.mp3: no video stream"):
        transcode(path, tmp_path / "out")


def test_pictures_alone_have_no_audio_stream(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", sound=None, frames=5)
    assert not transcode(path, tmp_path / "out").has_audio
    with pytest.raises(InvalidInput, match=r"v\.mp4: no audio stream"):
        extract_audio(path, tmp_path / "out.wav")
    with pytest.raises(InvalidInput, match="not a format for sound alone"):
        extract_audio(path, tmp_path / "out.mp4", format="mp4")


def test_extracted_sound_is_the_sound(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(1))
    extract_audio(path, tmp_path / "out.flac", format="flac")
    assert np.array_equal(sound_of(tmp_path / "out.flac"), tone(1))


def test_a_cut_off_video_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    path = cut_off(write_video(tmp_path / "good.mp4", frames=100, sound=None), tmp_path / "bad.mp4")
    with pytest.raises(InvalidInput, match=r"bad\.mp4: truncated, pictures are missing"):
        transcode(path, tmp_path / "out.mp4")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.mp4", "good.mp4"]


def test_damaged_pictures_are_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    images = [noise.integers(0, 255, (120, 160, 3)).astype(np.uint8) for _ in range(50)]
    path = damage(
        write_video(tmp_path / "good.mkv", muxer="matroska", pictures=images, sound=None), tmp_path / "bad.mkv"
    )
    gaps: list[Gap] = []
    transcode(path, tmp_path / "out.mp4", on_gap=gaps.append)
    assert 0 < len(pictures_of(tmp_path / "out.mp4")) <= 50


def test_an_output_that_grows_too_large_is_stopped(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    images = [noise.integers(0, 255, (120, 160, 3)).astype(np.uint8) for _ in range(300)]
    path = write_video(
        tmp_path / "v.mkv", muxer="matroska", frames=300, pictures=images, sound=None, options={"crf": "40"}
    )
    limits = replace(DEFAULT_LIMITS, max_bytes=path.stat().st_size + 100_000)
    with pytest.raises(InvalidInput, match="output grew beyond") as refused:
        transcode(path, tmp_path / "out", quality="high", limits=limits)
    assert refused.value.code == "media_too_large"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.mkv"]


def test_cancelling_stops_and_leaves_nothing(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    polls: list[int] = []
    with pytest.raises(Cancelled):
        transcode(video, tmp_path / "out", cancelled=lambda: len(polls) > 20 or bool(polls.append(1)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.mp4"]


def test_output_names_mean_nothing_to_ffmpeg(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    for name in ("-y", "%03d.mp4", "a\nb", "http:/x.mp4", "🎬" * 60):
        assert transcode(video, Path(name), audio_codec="none").has_video
        assert probe(Path(name)).has_video


@pytest.mark.parametrize("channels", [1, 2])
def test_quiet_sound_is_made_as_loud_as_loud_sound(tmp_path: Path, channels: int) -> None:
    levels = []
    for level in (0.02, 0.5):
        samples = np.repeat(tone(8, level=level, rate=48_000), channels)
        path = write_wav(tmp_path / "s.wav", samples, rate=48_000, channels=channels)
        transcode(path, tmp_path / "out.wav", format="wav", filters=["loudness"])
        made = sound_of(tmp_path / "out.wav", rate=48_000)
        assert len(made) == 8 * 48_000
        levels.append(float(np.sqrt(np.mean(made[3 * 48_000 :].astype(float) ** 2))))
    assert levels[0] == pytest.approx(levels[1], rel=0.2)


def test_loudness_needs_sound(tmp_path: Path, video: Path) -> None:
    with pytest.raises(InvalidInput, match="no sound is to be made"):
        transcode(video, tmp_path / "out", filters=["loudness"], audio_codec="none")
