"""How loud sound is, in dBFS: 0 is a full-scale square wave, 16-bit silence is floored at -100."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIETEST_DB = -100.0
_STEP_DB = 0.1
_FULL_SCALE = 32768.0


def frame_levels_db(frames: NDArray[np.int16]) -> NDArray[np.float32]:
    """RMS level of each row of ``frames`` (shape ``(n, samples)``) in dBFS, never below ``QUIETEST_DB``."""
    power = np.mean(np.square(frames.astype(np.float32) / _FULL_SCALE), axis=1)
    levels: NDArray[np.float32] = np.maximum(10 * np.log10(np.maximum(power, 1e-12)), QUIETEST_DB)
    return levels


class NoiseFloor:
    """The noise floor of a stream: a percentile of the levels of its 20 ms frames, in the memory of a histogram.

    Pauses between words are noise alone, and any recording of speech has more than a tenth of those, so the 10th
    percentile is the noise. Digital silence is left out: it says nothing about the noise elsewhere.
    """

    def __init__(self, rate: int) -> None:
        self._frame = rate // 50
        self._counts = np.zeros(round(-QUIETEST_DB / _STEP_DB) + 1, dtype=np.int64)
        self._rest = np.zeros(0, dtype=np.int16)

    def add(self, block: NDArray[np.int16]) -> None:
        """Take mono samples into account."""
        joined = np.concatenate([self._rest, block])
        whole = len(joined) - len(joined) % self._frame
        self._rest = joined[whole:]
        if whole:
            levels = frame_levels_db(joined[:whole].reshape(-1, self._frame))
            bins = np.round((levels - QUIETEST_DB) / _STEP_DB).astype(np.int64)
            self._counts += np.bincount(bins, minlength=len(self._counts))[: len(self._counts)]

    def level_db(self, percentile: float = 10.0) -> float:
        """Return the floor in dBFS; ``QUIETEST_DB`` when there was nothing but digital silence."""
        heard = self._counts.copy()
        heard[0] = 0
        total = int(heard.sum())
        if total == 0:
            return QUIETEST_DB
        at = int(np.searchsorted(np.cumsum(heard), total * percentile / 100))
        return round(QUIETEST_DB + at * _STEP_DB, 1)
