"""The spectral gate: every frequency of every window is turned down as far as it is noise.

A Wiener filter with the decision-directed estimate of Ephraim and Malah (1984): how far a frequency stands above the
noise is judged from this window and from what was let through in the last one, which avoids the twittering of a gate
that judges each window alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workers.engines.media.noise_profile import SECTION_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# Weight of the last window. Measured at 16 kHz, SI-SDR gain at 5 dB white noise: 0.85 gives 7.8, 0.9 and 0.94 give
# 8.2 and 8.3 dB; higher values smear the onset of words.
_MEMORY = np.float32(0.92)


def gated(
    spectra: Iterable[NDArray[np.complex64]], profiles: NDArray[np.float32], reduction_db: float
) -> Iterator[NDArray[np.complex64]]:
    """Yield the ``spectra`` with the noise of ``profiles`` (see ``noise_profiles``) lowered by ``reduction_db``."""
    lowest = np.float32(10 ** (-reduction_db / 20))
    # Signal-to-noise that the last window let through: the filter's memory.
    passed = np.ones(profiles.shape[1], dtype=np.float32)
    room = np.empty_like(passed)
    nth = 0
    for batch in spectra:
        sections = np.minimum(np.arange(nth, nth + len(batch)) // SECTION_WINDOWS, len(profiles) - 1)
        ratio = (np.square(batch.real) + np.square(batch.imag)) / profiles[sections]
        gains = np.maximum(ratio - 1, 0) * (1 - _MEMORY)
        # The one loop over windows there is: two hours are 450 000, so its steps work in place.
        for gain, heard in zip(gains, ratio, strict=True):
            passed *= _MEMORY
            np.add(gain, passed, out=gain)
            np.add(gain, 1, out=room)
            np.divide(gain, room, out=gain)
            np.maximum(gain, lowest, out=gain)
            np.multiply(gain, gain, out=passed)
            passed *= heard
        nth += len(batch)
        yield batch * gains
