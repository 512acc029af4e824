"""Sound of any rate and layout made into 16-bit samples of the wanted one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av.error
import numpy as np
from av import AudioFrame, AudioResampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LAYOUTS = {1: "mono", 2: "stereo"}
"""FFmpeg's names for the numbers of channels that can be made."""


def shape_of(frame: AudioFrame) -> tuple[str, str, int]:
    """Return what a resampler is made for: sample format, channel layout and rate."""
    return (frame.format.name, frame.layout.name, frame.sample_rate)


def can_be_resampled(frame: AudioFrame) -> bool:
    """Try it: a decoder fed with rubbish gives frames of channel layouts that do not exist."""
    sample = AudioFrame(frame.format.name, frame.layout.name, 1)
    sample.sample_rate = frame.sample_rate
    try:
        AudioResampler(format="s16", layout="mono", rate=16_000).resample(sample)
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def resampled(frames: Iterator[AudioFrame], rate: int, channels: int) -> Iterator[NDArray[np.int16]]:
    """Yield int16 samples, shape ``(n, channels)``; a change of rate or layout within the file is followed."""
    resampler, shape = None, None
    for frame in frames:
        new_shape = shape_of(frame)
        if resampler is None or new_shape != shape:
            if resampler is not None:
                yield from _arrays(resampler, None, channels)
            resampler, shape = AudioResampler(format="s16", layout=LAYOUTS[channels], rate=rate), new_shape
        yield from _arrays(resampler, frame, channels)
    if resampler is not None:
        yield from _arrays(resampler, None, channels)


def _arrays(resampler: AudioResampler, frame: AudioFrame | None, channels: int) -> Iterator[NDArray[np.int16]]:
    for resampled in resampler.resample(frame):
        yield resampled.to_ndarray().reshape(-1, channels).astype(np.int16, copy=False)
