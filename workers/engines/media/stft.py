"""Short overlapping windows of a stream and back: the form in which noise can be taken out frequency by frequency.

64 ms windows every 16 ms, square-root Hann on both sides: unchanged spectra give the input back exactly, at the same
place and with the same length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_HOPS = 4
_HOP_S = 0.016
# Windows handled at once: 1 s of sound, some hundred kilobytes.
_BATCH = 64


class WindowedStream:
    """Cuts mono samples at ``rate`` Hz into windows and adds them up again."""

    def __init__(self, rate: int) -> None:
        self.hop = round(rate * _HOP_S)
        self.size = self.hop * _HOPS
        self.bins = self.size // 2 + 1
        self._window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.size) / self.size)).astype(np.float32)

    def spectra(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.complex64]]:
        """Yield batches of spectra, shape ``(n, bins)``, n up to 64; three windows reach out at each end."""
        lead = np.zeros(self.size - self.hop, dtype=np.float32)
        held = lead
        for block in blocks:
            held = np.concatenate([held, block.astype(np.float32)])
            while len(held) >= self.size + (_BATCH - 1) * self.hop:
                yield self._transform(held[: self.size + (_BATCH - 1) * self.hop])
                held = held[_BATCH * self.hop :]
        missing = -len(held) % self.hop
        held = np.concatenate([held, np.zeros(missing, dtype=np.float32), lead])
        while len(held) >= self.size:
            batch = held[: self.size + (_BATCH - 1) * self.hop]
            yield self._transform(batch)
            held = held[_BATCH * self.hop :]

    def samples(self, spectra: Iterable[NDArray[np.complex64]], length: int) -> Iterator[NDArray[np.int16]]:
        """Yield the ``length`` samples that the (changed) ``spectra`` stand for."""
        tail = np.zeros((_HOPS - 1, self.hop), dtype=np.float32)
        skip, left = self.size - self.hop, length
        for batch in spectra:
            pieces = np.fft.irfft(batch, self.size, axis=1).astype(np.float32) * (self._window / (_HOPS / 2))
            parts = pieces.reshape(len(batch), _HOPS, self.hop)
            out = np.concatenate([tail, np.zeros((len(batch), self.hop), dtype=np.float32)])
            for nth in range(_HOPS):
                out[nth : nth + len(batch)] += parts[:, nth]
            tail = out[len(batch) :]
            ready = out[: len(batch)].reshape(-1)[skip:]
            skip = max(skip - len(batch) * self.hop, 0)
            ready = ready[:left]
            left -= len(ready)
            if len(ready):
                yield np.clip(np.round(ready), -32768, 32767).astype(np.int16)

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.size)[:: self.hop]
        return np.fft.rfft(windows * self._window, axis=1).astype(np.complex64)
