"""The noise of a recording, frequency by frequency and followed through time, measured where nobody speaks.

A single number (the noise floor) describes hiss; fans, hum and street are loud in some frequencies only. For every
ten seconds the quietest windows within thirty are averaged: in speech those are the pauses. A recording that is loud
without a pause for half a minute (music, a held tone) is taken for noise: that is the limit of the method.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SECTION_WINDOWS = 625
"""Windows (16 ms apart) that share one profile: ten seconds."""

# The quietest 15 %, without the last 1 %: those may be dropouts.
_QUIETEST = (1.0, 15.0)
# Squared magnitude of a window of 16-bit silence with dither; what is below says nothing about the noise.
_DIGITAL_SILENCE = 50.0
_SILENT_NOISE = 1.0


def noise_profiles(spectra: Iterable[NDArray[np.complex64]]) -> NDArray[np.float32]:
    """Measure the noise power of each section of ``SECTION_WINDOWS``: shape ``(sections, bins)``, at least one row.

    Holds three sections at a time and two kilobytes for each one passed: 1.5 MB for two hours.
    """
    around: deque[NDArray[np.float32]] = deque(maxlen=3)
    profiles: list[NDArray[np.float32] | None] = []
    bins = 1
    for section in _sections(spectra):
        bins = section.shape[1]
        around.append(section)
        if len(around) > 1:
            profiles.append(_quiet_mean(np.concatenate(around)))
    if around:
        profiles.append(_quiet_mean(np.concatenate(list(around)[-2:])))
    return _without_holes(profiles, bins)


def _sections(spectra: Iterable[NDArray[np.complex64]]) -> Iterable[NDArray[np.float32]]:
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for batch in spectra:
        waiting.append(np.square(batch.real) + np.square(batch.imag))
        held += len(batch)
        if held >= SECTION_WINDOWS:
            joined = np.concatenate(waiting)
            yield joined[:SECTION_WINDOWS]
            waiting, held = [joined[SECTION_WINDOWS:]], held - SECTION_WINDOWS
    if held:
        yield np.concatenate(waiting)


def _quiet_mean(power: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the mean power of the quiet windows, ``None`` when all of them are digital silence."""
    levels = power.mean(axis=1)
    heard = levels > _DIGITAL_SILENCE
    if not heard.any():
        return None
    low, high = np.percentile(levels[heard], _QUIETEST)
    quiet: NDArray[np.float32] = power[heard & (levels >= low) & (levels <= high)]
    mean: NDArray[np.float32] = quiet.mean(axis=0) + np.float32(_SILENT_NOISE)
    return mean


def _without_holes(profiles: list[NDArray[np.float32] | None], bins: int) -> NDArray[np.float32]:
    """Give sections of digital silence the profile of the section before them (or of the first that has one)."""
    silent = np.full(bins, _SILENT_NOISE, dtype=np.float32)
    last = next((profile for profile in profiles if profile is not None), silent)
    rows = []
    for profile in profiles:
        last = last if profile is None else profile
        rows.append(last)
    return np.stack(rows or [silent])
