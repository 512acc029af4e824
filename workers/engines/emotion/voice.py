"""How excited a voice is: loudness, its changes, and how much of the time is spoken. It cannot tell joy from anger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.engines.emotion.model import Emotion, strongest
from workers.engines.media.decode import open_audio

METHOD: Final = "voice arousal from loudness and its changes: tells calm from excited, not good from bad"
RATE_HZ = 16_000
_FRAME = RATE_HZ // 50  # 20 ms
_SILENCE_DB = -55.0
_CALM_SPREAD_DB, _EXCITED_SPREAD_DB = 4.0, 12.0


def analyse_audio(
    path: Path, *, start_ms: int = 0, end_ms: int | None = None, cancelled: Callable[[], bool] | None = None
) -> Emotion:
    """Return the mood of a voice; silence is neutral with confidence 0. Read in blocks, so any length is fine.

    Raises what ``open_audio`` raises: InvalidInput, Cancelled.
    """
    levels, crossings = _measure(path, start_ms, end_ms, cancelled)
    active = levels > max(_SILENCE_DB, float(np.percentile(levels, 20)) + 6) if len(levels) else levels > 0
    spoken = int(active.sum())
    if spoken < 25:  # noqa: PLR2004 - half a second of voice tells nothing
        return _emotion(0.0, 0.0)
    spread = float(np.std(levels[active]))
    pitch_changes = float(np.std(crossings[active]) / (np.mean(crossings[active]) + 1e-9))
    arousal = float(np.clip((spread - _CALM_SPREAD_DB) / (_EXCITED_SPREAD_DB - _CALM_SPREAD_DB), 0, 1))
    arousal = 0.7 * arousal + 0.3 * float(np.clip(pitch_changes, 0, 1))
    # half a minute of voice is as much evidence as this method can use
    return _emotion(arousal, min(1.0, spoken / 1500) * 0.6)


def _measure(
    path: Path, start_ms: int, end_ms: int | None, cancelled: Callable[[], bool] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    levels: list[NDArray[np.float64]] = []
    crossings: list[NDArray[np.float64]] = []
    for block in open_audio(path, rate=RATE_HZ, start_ms=start_ms, end_ms=end_ms, cancelled=cancelled):
        frames = block[: len(block) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64) / 32768
        if len(frames):
            levels.append(10 * np.log10(np.mean(frames**2, axis=1) + 1e-10))
            crossings.append(np.mean(np.abs(np.diff(np.signbit(frames), axis=1)), axis=1))
    empty = np.zeros(0)
    return (np.concatenate(levels), np.concatenate(crossings)) if levels else (empty, empty)


def _emotion(arousal: float, confidence: float) -> Emotion:
    label, even = strongest({"excited": arousal, "calm": (1 - arousal) * 0.5, "neutral": (1 - arousal) * 0.5})
    if not confidence:
        label, even = "neutral", {"excited": 0.0, "calm": 0.0, "neutral": 1.0}
    return Emotion(
        emotion=label,
        confidence=round(confidence, 4),
        emotions=even,
        sentiment=0.0,
        modality="voice",
        method=METHOD,
        engine="arousal",
    )
