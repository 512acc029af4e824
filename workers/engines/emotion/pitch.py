"""The pitch of a voice, frame by frame, by autocorrelation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 75, 400
_PERIODIC = 0.5  # below this the autocorrelation's peak is noise or a consonant
_NEARLY = 0.85  # of the highest peak


def pitches(frames: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Return the pitch in Hz of each row of ``frames`` (shape frames x samples), NaN where there is none.

    A row must hold at least two periods of the lowest pitch: 27 ms.
    """
    centred = frames - frames.mean(axis=1, keepdims=True)
    size = 2 ** int(np.ceil(np.log2(2 * frames.shape[1])))
    power = np.abs(np.fft.rfft(centred, size, axis=1)) ** 2
    correlation = np.fft.irfft(power, size, axis=1)[:, : frames.shape[1]]
    # The overlap shrinks with the lag; without this, low voices would look less periodic than they are.
    overlap = np.arange(frames.shape[1], 0, -1) / frames.shape[1]
    correlation = correlation / (correlation[:, :1] * overlap + 1e-12)
    first, last = rate_hz // HIGHEST_HZ, rate_hz // LOWEST_HZ
    lags = correlation[:, first : last + 1]
    highest = lags.max(axis=1, keepdims=True)
    around = correlation[:, first - 1 : last + 2]
    peaks = (lags > around[:, :-2]) & (lags >= around[:, 2:]) & (lags > _NEARLY * highest) & (lags > _PERIODIC)
    # Multiples of the period peak as well: the shortest good lag is the period, the others sound octaves too low.
    period = peaks.argmax(axis=1) + first
    found: NDArray[np.float64] = np.where(peaks.any(axis=1), rate_hz / period, np.nan)
    return found
