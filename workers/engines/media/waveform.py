"""The outline of a recording's sound, for drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workers.engines.errors import InvalidInput
from workers.engines.media.decode import open_audio
from workers.engines.media.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.engines.media.info import Gap

_RATE = 16_000
# Peaks are first taken of 10 ms each: 12 hours are 17 MB, and the length need not be known beforehand.
_STEP = _RATE // 100
_MOST_POINTS = 100_000


def waveform(
    path: Path,
    points: int = 1000,
    *,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> list[float]:
    """Return the peak of each of ``points`` equal parts of the recording, 0.0 to 1.0, four decimals.

    A recording of fewer than ``points`` steps of 10 ms gives one point a step. Raises ``InvalidInput``
    (``options_invalid``, and what ``open_audio`` raises), ``OutOfResource``, ``Cancelled``.
    """
    if not 1 <= points <= _MOST_POINTS:
        raise InvalidInput(f"{points} points: 1 to {_MOST_POINTS} can be made", code="options_invalid")
    peaks: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
    # Blocks of half a second are whole steps, except the last.
    for block in open_audio(path, rate=_RATE, limits=limits, cancelled=cancelled, on_gap=on_gap):
        loud = np.abs(block.astype(np.int32))
        peaks.append(np.maximum.reduceat(loud, np.arange(0, len(loud), _STEP)))
    if not peaks:
        return []
    steps = np.concatenate(peaks)
    parts = min(points, len(steps))
    starts = np.arange(parts) * len(steps) // parts
    return [round(float(peak) / 32768, 4) for peak in np.maximum.reduceat(steps, starts)]
