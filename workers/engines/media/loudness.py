"""Sound brought to one loudness: -16 LUFS, the level of podcasts and calls (EBU R 128, FFmpeg's ``loudnorm``).

The filter looks three seconds ahead and turns quiet speakers up and loud ones down as they come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av.error
import av.filter
import numpy as np
from av import AudioFrame

from workers.engines.media.picture_filter import Filter, require_filters
from workers.engines.media.resample import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

LOUDNESS = "loudness"
"""The word of the task's payload."""

# Integrated loudness, true peak in dBTP and loudness range, as EBU R 128 s2 has them for streaming.
_NORMALISE = Filter("loudnorm", "I=-16:TP=-1.5:LRA=11")


def evened(blocks: Iterable[NDArray[np.int16]], *, rate: int, channels: int) -> Iterator[NDArray[np.int16]]:
    """Yield as much sound as came in, at -16 LUFS; blocks have the shape ``(n,)`` or ``(n, 2)``.

    Raises ``NotConfigured`` when this build of FFmpeg lacks the filter.
    """
    require_filters([_NORMALISE], LOUDNESS)
    graph, sink = _graph(rate, channels)
    taken = given = 0
    for block in blocks:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block).reshape(1, -1), "s16", LAYOUTS[channels])
        frame.sample_rate = rate
        taken += len(block)
        graph.push(frame)
        for out in _pulled(sink, channels):
            yield out
            given += len(out)
    graph.push(None)
    for out in _pulled(sink, channels):
        kept = out[: max(taken - given, 0)]  # the resampler rounds the last samples up
        yield kept
        given += len(kept)


def _graph(rate: int, channels: int) -> tuple[av.filter.Graph, av.filter.FilterContext]:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="s16", layout=LAYOUTS[channels])
    normalise = graph.add(_NORMALISE.name, _NORMALISE.arguments)
    # loudnorm answers at 192 kHz, where it sees the peaks between samples.
    back = graph.add("aformat", f"sample_fmts=s16:sample_rates={rate}:channel_layouts={LAYOUTS[channels]}")
    sink = graph.add("abuffersink")
    graph.link_nodes(source, normalise, back, sink).configure()
    return graph, sink


def _pulled(sink: av.filter.FilterContext, channels: int) -> Iterator[NDArray[np.int16]]:
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):  # nothing more for now
            return
        if isinstance(frame, AudioFrame):
            samples: NDArray[np.int16] = frame.to_ndarray().reshape(-1, channels).astype(np.int16, copy=False)
            yield samples[:, 0] if channels == 1 else samples
