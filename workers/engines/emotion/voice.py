"""How excited a voice is: its loudness, the movement of its pitch, and its speed. It cannot tell joy from anger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.engines.emotion.model import Emotion, strongest
from workers.engines.emotion.pitch import pitches
from workers.engines.media.decode import open_audio

METHOD: Final = "voice arousal from loudness, pitch movement and speed: tells calm from excited, not good from bad"
RATE_HZ: Final = 16_000
_FRAME: Final = RATE_HZ // 25  # 40 ms: two periods of the lowest voice
_FRAMES_A_SECOND: Final = RATE_HZ / _FRAME
_SILENCE_DB: Final = -55.0
_LEAST_FRAMES: Final = 12  # half a second of voice tells nothing
_ENOUGH_FRAMES: Final = 750  # half a minute is as much evidence as this method can use
_MOST_CONFIDENCE: Final = 0.6
# A calm and an excited speaker's figures; what lies between is shared in proportion.
_LOUDNESS_SPREAD_DB: Final = (4.0, 12.0)
_PITCH_SPREAD_SEMITONES: Final = (1.5, 5.0)
_PEAKS_A_SECOND: Final = (2.5, 6.0)


@dataclass(frozen=True, slots=True)
class Voice:
    """What was measured in ``spoken_frames`` frames of voice."""

    spoken_frames: int
    loudness_spread_db: float
    pitch_spread_semitones: float
    peaks_a_second: float

    @property
    def arousal(self) -> float:
        """0 calm to 1 excited."""
        parts = (
            (0.4, self.loudness_spread_db, _LOUDNESS_SPREAD_DB),
            (0.4, self.pitch_spread_semitones, _PITCH_SPREAD_SEMITONES),
            (0.2, self.peaks_a_second, _PEAKS_A_SECOND),
        )
        return sum(weight * float(np.clip((value - low) / (high - low), 0, 1)) for weight, value, (low, high) in parts)


def analyse_audio(
    path: Path, *, start_ms: int = 0, end_ms: int | None = None, cancelled: Callable[[], bool] | None = None
) -> Emotion:
    """Return the mood of a voice; silence is neutral with confidence 0. Read in blocks, so any length is fine.

    Raises what ``open_audio`` raises: InvalidInput, Cancelled.
    """
    voice = measure(open_audio(path, rate=RATE_HZ, start_ms=start_ms, end_ms=end_ms, cancelled=cancelled))
    if voice.spoken_frames < _LEAST_FRAMES:
        return _emotion({"excited": 0.0, "calm": 0.0, "neutral": 1.0}, 0.0)
    arousal = voice.arousal
    shares = {"excited": arousal, "calm": (1 - arousal) / 2, "neutral": (1 - arousal) / 2}
    return _emotion(shares, min(1.0, voice.spoken_frames / _ENOUGH_FRAMES) * _MOST_CONFIDENCE)


def measure(blocks: Iterator[NDArray[np.int16]]) -> Voice:
    """Measure a voice in int16 blocks at 16 kHz; frames near the noise floor count as pauses."""
    measured = [_frames(block) for block in blocks]
    if not measured:
        return Voice(0, 0.0, 0.0, 0.0)
    levels = np.concatenate([level for level, _ in measured])
    pitch = np.concatenate([hz for _, hz in measured])
    spoken = levels > max(_SILENCE_DB, float(np.percentile(levels, 10)) + 6) if len(levels) else levels > 0
    pitched = pitch[spoken & ~np.isnan(pitch)]
    count = int(spoken.sum())
    if count < _LEAST_FRAMES or len(pitched) < _LEAST_FRAMES:
        return Voice(min(count, _LEAST_FRAMES - 1), 0.0, 0.0, 0.0)
    semitones = 12 * np.log2(pitched / np.median(pitched))
    # The middle of the distribution: a frame whose octave was taken wrongly must not count as an exclamation.
    spread = float(np.percentile(semitones, 84) - np.percentile(semitones, 16)) / 2
    smooth = np.convolve(levels, np.ones(3) / 3, "same")  # syllables are longer than a frame
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & spoken[1:-1]
    return Voice(count, float(np.std(levels[spoken])), spread, float(peaks.sum()) / (count / _FRAMES_A_SECOND))


def _frames(block: NDArray[np.int16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    frames = block[: len(block) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64) / 32768
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    return levels, pitches(frames, RATE_HZ)


def _emotion(shares: dict[str, float], confidence: float) -> Emotion:
    label, even = strongest(shares)
    return Emotion(
        emotion=label,
        confidence=round(confidence, 4),
        emotions=even,
        sentiment=0.0,
        modality="voice",
        method=METHOD,
        engine="arousal",
    )
