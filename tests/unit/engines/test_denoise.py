"""Noise reduction on real voices: what is gained, and that not one sample moves."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.media_samples import (
    RATE,
    damage,
    noise_like,
    sound_of,
    spoken,
    tone,
    write_sound,
    write_video,
    write_wav,
)
from workers.engines.denoise import METHODS, denoise, main
from workers.engines.errors import Cancelled, InvalidInput
from workers.engines.media import guard
from workers.engines.media.info import Gap
from workers.engines.media.level import NoiseFloor
from workers.engines.media.stft import WindowedStream


def si_sdr_db(clean: NDArray[np.float64], heard: NDArray[np.int16]) -> float:
    """Scale-invariant signal-to-distortion ratio: how much of ``heard`` is ``clean``."""
    reference, estimate = clean - clean.mean(), heard - heard.mean(dtype=float)
    part = (reference @ estimate) / (reference @ reference) * reference
    return float(10 * np.log10((part @ part) / np.sum((estimate - part) ** 2)))


@pytest.mark.parametrize(
    ("method", "kind", "gain_db", "lower_db"),
    [("auto", "white", 7, 9), ("auto", "fan", 4, 9), ("gate", "white", 7, 9), ("afftdn", "white", 6, 8)],
)
def test_noise_5_db_below_speech_is_lowered_and_speech_comes_out(
    tmp_path: Path, method: str, kind: str, gain_db: float, lower_db: float
) -> None:
    clean, _ = spoken([0.8, 1.2, 1.0])
    noisy = write_wav(tmp_path / "noisy.wav", 0.7 * (clean + noise_like(clean, kind=kind, snr_db=5)))
    done = denoise(noisy, tmp_path / "out.wav", method=method)
    before, after = sound_of(noisy), sound_of(tmp_path / "out.wav")
    assert si_sdr_db(clean, after) - si_sdr_db(clean, before) > gain_db
    assert done.floor_before_db - done.floor_after_db > lower_db
    assert done.method == ("gate" if method == "auto" else method)


def test_clean_speech_is_hardly_changed(tmp_path: Path) -> None:
    clean, _ = spoken([0.8, 1.2])
    denoise(write_wav(tmp_path / "clean.wav", clean), tmp_path / "out.wav")
    assert si_sdr_db(clean, sound_of(tmp_path / "out.wav")) > 22  # the rest is the recording's own noise


@pytest.mark.parametrize("method", ["gate", "afftdn", "none"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_the_output_is_as_long_as_the_input_and_at_the_same_place(tmp_path: Path, method: str, rate: int) -> None:
    clean, _ = spoken([0.3, 0.2])
    noisy = write_wav(tmp_path / "noisy.wav", (clean + noise_like(clean, kind="white", snr_db=15))[:-1])
    before = sound_of(noisy, rate=rate).astype(float)
    denoise(noisy, tmp_path / "out.wav", method=method, target_rate=rate)
    after = sound_of(tmp_path / "out.wav", rate=rate).astype(float)
    assert len(after) == len(before)
    size = 1 << (len(before) * 2).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)), size)
    assert int(np.argmax(correlation)) == 0


def test_windows_added_up_again_are_the_input() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 50_001).astype(np.int16)
    for rate in (8_000, 16_000, 22_050):
        stream = WindowedStream(rate)
        blocks = [samples[at : at + 4_999] for at in range(0, len(samples), 4_999)]
        back = np.concatenate(list(stream.samples(stream.spectra(blocks), len(samples))))
        assert np.array_equal(back, samples)


def test_less_reduction_leaves_more_noise(tmp_path: Path) -> None:
    clean, _ = spoken([1, 1])
    noisy = write_wav(tmp_path / "noisy.wav", clean + noise_like(clean, kind="fan", snr_db=10))
    floors = [denoise(noisy, tmp_path / "o.wav", noise_reduction_db=db).floor_after_db for db in (3, 12, 24)]
    assert floors[0] - 5 > floors[1] > floors[2]


def test_noise_that_changes_is_followed(tmp_path: Path) -> None:
    clean, _ = spoken([1] * 10)
    half = len(clean) // 2
    noise = np.concatenate(
        [noise_like(clean, kind="fan", snr_db=20)[:half], noise_like(clean, kind="white", snr_db=8)[half:]]
    )
    noisy = write_wav(tmp_path / "noisy.wav", 0.7 * (clean + noise))
    denoise(noisy, tmp_path / "out.wav")
    before, after = sound_of(noisy), sound_of(tmp_path / "out.wav")
    for part, gain_db in ((slice(0, half - 10 * RATE), 1.5), (slice(half + 10 * RATE, None), 5)):
        assert si_sdr_db(clean[part], after[part]) - si_sdr_db(clean[part], before[part]) > gain_db


@pytest.mark.parametrize("samples", [np.zeros(RATE * 2), tone(2), np.zeros(1), np.full(RATE, 32767)])
@pytest.mark.parametrize("method", METHODS)
def test_silence_tones_and_single_samples_pass(tmp_path: Path, samples: NDArray[np.float64], method: str) -> None:
    done = denoise(write_wav(tmp_path / "s.wav", samples), tmp_path / "out.wav", method=method)
    assert len(sound_of(tmp_path / "out.wav")) == len(samples)
    assert -100 <= done.floor_after_db <= 0


def test_the_floor_is_that_of_the_pauses() -> None:
    floor = NoiseFloor(RATE)
    noise = np.random.default_rng(1).normal(0, 328, RATE * 10)  # 1 % of full scale: -40 dBFS
    noise[: RATE * 5] += tone(5, level=0.3)
    floor.add(np.zeros(RATE * 9, dtype=np.int16))
    floor.add(noise.astype(np.int16))
    assert floor.level_db() == pytest.approx(-40, abs=0.7)


def test_videos_and_other_formats_are_taken(tmp_path: Path) -> None:
    done = denoise(write_video(tmp_path / "v.mp4", frames=50), tmp_path / "out.wav", target_rate=8_000)
    assert done.duration_ms == pytest.approx(2000, abs=30)
    assert done.bytes == (tmp_path / "out.wav").stat().st_size


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"},
        {"noise_reduction_db": 0},
        {"noise_reduction_db": 98},
        {"noise_reduction_db": float("nan")},
        {"noise_floor_db": 1},
        {"noise_floor_db": -101},
        {"target_rate": 5},
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    path = write_wav(tmp_path / "s.wav", tone(0.1))
    with pytest.raises(InvalidInput) as refused:
        denoise(path, tmp_path / "out.wav", **options)  # type: ignore[arg-type] # wrong values are the point
    assert refused.value.code == "options_invalid"


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no audio stream"):
        denoise(write_video(tmp_path / "v.mp4", sound=None, frames=5), tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_each_gap_is_told_once(tmp_path: Path) -> None:
    path = damage(write_sound(tmp_path / "good.flac", "flac", "flac"), tmp_path / "bad.flac")
    gaps: list[Gap] = []
    denoise(path, tmp_path / "out.wav", on_gap=gaps.append)
    assert len(gaps) == 1
    with pytest.raises(InvalidInput):
        denoise(path, tmp_path / "out.wav")


@pytest.mark.parametrize("writing", [False, True], ids=["while measuring", "while writing"])
def test_cancelling_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writing: bool) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    path = write_wav(tmp_path / "s.wav", tone(30))
    with pytest.raises(Cancelled):
        denoise(path, tmp_path / "out.wav", cancelled=lambda: not writing or any(tmp_path.glob(".partial-*")))
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.wav"]


def test_the_command_line_answers_in_json(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(1))
    command = [sys.executable, "-m", "workers.engines.denoise", str(path), str(tmp_path / "out.wav"), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert set(answer) == {"floor_before_db", "floor_after_db", "duration_ms", "bytes", "sha256", "method"}
    assert done.stderr == ""


def test_the_command_line_refuses_clearly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nothing.wav"), str(tmp_path / "out.wav")]) == 1
    assert capsys.readouterr().err == "error: nothing.wav: no such file [media_not_found]\n"
    with pytest.raises(SystemExit) as usage:
        main([])
    assert usage.value.code == 2
