"""Decoding: every format at its true times, and no damage that passes for silence."""

import hashlib
import itertools
import os
import resource
import stat
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.media_samples import (
    cut_off,
    damage,
    sound_of,
    tone,
    wav_bytes,
    write_sound,
    write_video,
    write_wav,
)
from workers.engines.errors import Cancelled, InvalidInput, OutOfResource
from workers.engines.media import guard
from workers.engines.media.decode import decode_to_wav, open_audio
from workers.engines.media.info import Gap
from workers.engines.media.limits import DEFAULT_LIMITS, PcmLayout
from workers.engines.media.probe import probe


def pitch_hz(samples: NDArray[np.int16], rate: int = 16_000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize(
    ("muxer", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("wav", "pcm_s24le"),
        ("wav", "pcm_f32le"),
        ("mp3", "libmp3lame"),
        ("mp4", "aac"),
        ("adts", "aac"),
        ("ogg", "libopus"),
        ("webm", "libopus"),
        ("matroska", "aac"),
        ("flac", "flac"),
    ],
)
def test_every_format_gives_its_tone_at_the_wanted_rate(tmp_path: Path, muxer: str, codec: str) -> None:
    samples = sound_of(write_sound(tmp_path / "sound", muxer, codec, seconds=3))
    assert len(samples) == pytest.approx(3 * 16_000, abs=1000)
    middle = samples[8000:40_000]
    assert pitch_hz(middle) == pytest.approx(440, abs=1)
    assert np.abs(middle.astype(int)).max() == pytest.approx(8192, rel=0.05)


def _mu_law(path: Path) -> Path:
    loud = np.abs(tone(2, rate=8000).astype(int)) / 32768
    code = np.round(127 * np.log1p(255 * loud) / np.log(256)).astype(np.uint8)
    sign = np.where(tone(2, rate=8000) < 0, 0x80, 0).astype(np.uint8)
    path.write_bytes(wav_bytes((~(code | sign) & 0xFF).astype(np.uint8).tobytes(), rate=8000, bits=8, tag=7))
    return path


def _channels(count: int) -> Callable[[Path], Path]:
    return lambda path: write_wav(path, np.repeat(tone(2, rate=48_000), count), rate=48_000, channels=count)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_mu_law, id="8 kHz mu-law"),
        pytest.param(_channels(6), id="6 channels"),
        pytest.param(_channels(10), id="10 channels without a layout"),
        pytest.param(lambda path: write_wav(path, tone(2, rate=192_000), rate=192_000), id="192 kHz"),
        pytest.param(lambda path: write_wav(path, tone(2, rate=8_000), rate=8_000), id="8 kHz"),
    ],
)
def test_unusual_sound_is_decoded(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    samples = sound_of(make(tmp_path / "sound.wav"))
    assert len(samples) == 32_000
    assert pitch_hz(samples) == pytest.approx(440, abs=1)
    assert np.abs(samples.astype(int)).max() > 6000


def test_two_channels_come_as_two_columns(tmp_path: Path) -> None:
    left, right = tone(1), tone(1, hz=880)
    path = write_wav(tmp_path / "s.wav", np.stack([left, right], axis=1).reshape(-1), channels=2)
    both = np.concatenate(list(open_audio(path, channels=2)))
    assert np.array_equal(both, np.stack([left, right], axis=1))


def test_the_same_samples_come_out_of_a_wav_that_went_in(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 50_001).astype(np.int16)
    blocks = list(open_audio(write_wav(tmp_path / "s.wav", samples)))
    assert np.array_equal(np.concatenate(blocks), samples)
    assert {len(block) for block in blocks[:-1]} == {8000}
    assert blocks[0].dtype == np.int16


@pytest.mark.parametrize(
    "muxer_codec", [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("mp4", "aac"), ("ogg", "libopus")]
)
@pytest.mark.parametrize(("start_ms", "end_ms"), [(0, 1), (1, 500), (2345, 2789), (3000, None), (3999, 9000)])
def test_a_part_is_the_same_as_that_part_of_the_whole(
    tmp_path: Path, muxer_codec: tuple[str, str], start_ms: int, end_ms: int | None
) -> None:
    path = write_sound(tmp_path / "sound", *muxer_codec, rate=48_000)
    whole = sound_of(path)
    part = sound_of(path, start_ms=start_ms, end_ms=end_ms)
    expected = whole[start_ms * 16 : None if end_ms is None else end_ms * 16]
    assert len(part) == len(expected)
    # After a seek the first sample's place is rounded: up to half a sample. A whole one would be 1400 here.
    assert np.abs(part.astype(int) - expected).max(initial=0) < 750


def test_headerless_samples_are_read_as_told(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    path.write_bytes(tone(1, rate=8000).tobytes())
    assert len(sound_of(path, pcm=PcmLayout(8000))) == 16_000


def test_sound_that_starts_after_the_picture_keeps_its_time(tmp_path: Path) -> None:
    samples = sound_of(write_video(tmp_path / "v.mkv", muxer="matroska", frames=75, sound_delay_s=1.0))
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 4000)
    assert loud[0] / 16_000 == pytest.approx(1.0, abs=0.03)


def test_a_video_without_sound_has_no_audio_stream(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", sound=None, frames=5)
    with pytest.raises(InvalidInput, match=r"v\.mp4: no audio stream"):
        open_audio(path)


BROKEN = [
    ("mp3", "libmp3lame"),
    ("mp4", "aac"),
    ("adts", "aac"),
    ("ogg", "libopus"),
    ("webm", "libopus"),
    ("flac", "flac"),
]


@pytest.mark.parametrize(("muxer", "codec"), [*BROKEN, ("matroska", "aac")])
def test_damage_is_refused_where_nobody_listens_for_it(tmp_path: Path, muxer: str, codec: str) -> None:
    path = damage(write_sound(tmp_path / "good", muxer, codec), tmp_path / "bad")
    with pytest.raises(InvalidInput, match=r"damaged|truncated") as refused:
        sound_of(path)
    assert refused.value.code == "media_invalid"


@pytest.mark.parametrize(("muxer", "codec"), BROKEN)
def test_damage_is_told_and_what_follows_keeps_its_time(tmp_path: Path, muxer: str, codec: str) -> None:
    good = write_sound(tmp_path / "good", muxer, codec)
    gaps: list[Gap] = []
    samples = sound_of(damage(good, tmp_path / "bad"), on_gap=gaps.append)
    assert gaps
    assert all(0 < gap.start_ms < gap.end_ms <= 4100 for gap in gaps)
    silent_ms = (
        int((np.abs(samples.reshape(-1)[: len(samples) // 160 * 160].reshape(-1, 160)).max(axis=1) == 0).sum()) * 10
    )
    assert silent_ms <= sum(gap.end_ms - gap.start_ms for gap in gaps) + 20
    if muxer not in ("mp3", "adts"):  # these two have no timestamps
        told_to_end = gaps[-1].end_ms - gaps[-1].start_ms if gaps[-1].reason == "truncated" else 0
        assert len(samples) / 16 + told_to_end == pytest.approx(len(sound_of(good)) / 16, abs=30)


@pytest.mark.parametrize(
    ("muxer", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("webm", "libopus"), ("flac", "flac")]
)
def test_a_missing_end_is_told(tmp_path: Path, muxer: str, codec: str) -> None:
    path = cut_off(write_sound(tmp_path / "good", muxer, codec), tmp_path / "bad")
    gaps: list[Gap] = []
    samples = sound_of(path, on_gap=gaps.append)
    assert gaps[-1].reason == "truncated"
    assert gaps[-1].start_ms == pytest.approx(len(samples) / 16, abs=30)
    assert gaps[-1].end_ms == pytest.approx(4000, abs=30)
    with pytest.raises(InvalidInput, match="truncated"):
        sound_of(path)


def test_an_mp4_cut_off_in_its_data_is_refused(tmp_path: Path) -> None:
    path = cut_off(write_video(tmp_path / "good.mp4"), tmp_path / "bad.mp4")
    with pytest.raises(InvalidInput, match=r"bad\.mp4: (damaged|truncated)"):
        sound_of(path)


def test_encrypted_sound_is_refused_not_zeros(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "good.m4a", "mp4", "aac")
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    if end < start:
        end = len(content)
    content[start:end] = bytes(byte ^ 0xA5 for byte in content[start:end])
    path.write_bytes(content)
    gaps: list[Gap] = []
    try:
        samples = sound_of(path, on_gap=gaps.append)
    except InvalidInput as error:
        assert "not one moment" in error.message  # noqa: PT017 - both ends are right, silence is not
    else:
        lost_ms = sum(gap.end_ms - gap.start_ms for gap in gaps)
        assert lost_ms > 0.5 * len(samples) / 16


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0xFFFFFFF0, 0x7FFFF000, 0])
def test_a_wav_header_that_claims_4_gb_is_a_placeholder(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "live.wav"
    path.write_bytes(wav_bytes(tone(2).tobytes(), claimed_bytes=claimed))
    assert probe(path).duration_ms == 2000
    assert len(sound_of(path)) == 32_000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_told(tmp_path: Path, value: float) -> None:
    samples = (tone(2) / 32768).astype("<f4")
    samples[16_000] = value
    path = tmp_path / "nan.wav"
    path.write_bytes(wav_bytes(samples.tobytes(), bits=32, tag=3))
    with pytest.raises(InvalidInput, match="not numbers"):
        sound_of(path)
    gaps: list[Gap] = []
    decoded = sound_of(path, on_gap=gaps.append)
    assert [gap.reason for gap in gaps] == ["not_a_number"]
    assert gaps[0].start_ms <= 1000 <= gaps[0].end_ms
    assert np.abs(decoded[8000:15_000].astype(int) - tone(2)[8000:15_000]).max() < 3
    assert np.abs(decoded.astype(int)).max() < 9000


def test_two_hundred_days_of_silence_are_not_made(tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    with av.open(str(path), "w", format="matroska", options={"live": "1"}) as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for time_s in (0, 20_000_000):
            packet = av.Packet(tone(1, rate=8000).tobytes())
            packet.stream, packet.time_base = stream, Fraction(1, 8000)
            packet.pts = packet.dts = time_s * 8000
            container.mux(packet)
    assert probe(path).duration_ms < 3000  # the headers know nothing of it
    gaps: list[Gap] = []
    with pytest.raises(InvalidInput) as refused:
        sound_of(path, on_gap=gaps.append)
    assert refused.value.code == "media_too_large"


def test_decoding_stops_at_the_longest_length(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "sound.mp3", "adts", "aac")
    with pytest.raises(InvalidInput) as refused:
        sound_of(path, limits=replace(DEFAULT_LIMITS, max_duration_ms=3000))
    assert refused.value.code == "media_too_large"


@pytest.mark.parametrize(
    "options", [{"rate": 0}, {"rate": 10**6}, {"channels": 3}, {"start_ms": -1}, {"start_ms": 5, "end_ms": 5}]
)
def test_impossible_options_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    path = write_wav(tmp_path / "s.wav", tone(0.1))
    with pytest.raises(InvalidInput) as refused:
        sound_of(path, **options)
    assert refused.value.code == "options_invalid"


def test_decode_to_wav_says_what_it_wrote(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "sound.ogg", "ogg", "libopus", seconds=2)
    out = tmp_path / "out.wav"
    done = decode_to_wav(source, out)
    content = out.read_bytes()
    assert (done.size_bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.duration_ms == 2000
    assert np.array_equal(sound_of(out), sound_of(source))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.wav", "sound.ogg"]


def test_decode_to_wav_tells_of_gaps(tmp_path: Path) -> None:
    path = damage(write_sound(tmp_path / "good", "ogg", "libopus"), tmp_path / "bad")
    gaps: list[Gap] = []
    done = decode_to_wav(path, tmp_path / "out.wav", on_gap=gaps.append)
    assert done.gaps == tuple(gaps) != ()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = damage(write_sound(tmp_path / "good", "flac", "flac"), tmp_path / "bad")
    out = tmp_path / "out.wav"
    out.write_bytes(b"as before")
    with pytest.raises(InvalidInput):
        decode_to_wav(path, out)
    assert out.read_bytes() == b"as before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad", "good", "out.wav"]


def test_cancelling_stops_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    path = write_wav(tmp_path / "s.wav", np.zeros(16_000 * 60))
    asked = itertools.count()
    with pytest.raises(Cancelled):
        decode_to_wav(path, tmp_path / "out.wav", cancelled=lambda: next(asked) >= 5)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.wav"]


def test_a_disk_that_takes_no_more_is_a_lack_of_resources(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutOfResource, match="grew beyond what the file system allows"):
            decode_to_wav(path, tmp_path / "out.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.wav"]


def test_a_device_is_never_replaced(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(1))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        decode_to_wav(path, tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(1))
    with pytest.raises(InvalidInput, match="No such file or directory"):
        decode_to_wav(path, tmp_path / "nowhere" / "out.wav")
