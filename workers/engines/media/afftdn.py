"""FFmpeg's own noise filter ``afftdn``, with its noise floor measured and its delay taken back.

Left to its default floor (-50 dBFS) it does nothing to a noisy recording; its own tracking mode damages speech. It
assumes that all frequencies are equally noisy: good for hiss, little use against fans and hum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av.error
import av.filter
import numpy as np
from av import AudioFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# What the filter accepts as noise floor, in dBFS, and as reduction, in dB.
FLOOR_RANGE_DB = (-80.0, -20.0)
REDUCTION_RANGE_DB = (0.01, 97.0)


def afftdn(
    blocks: Iterable[NDArray[np.int16]], rate: int, *, floor_db: float, reduction_db: float
) -> Iterator[NDArray[np.int16]]:
    """Yield as many mono samples as came in, at the same places, with the noise at ``floor_db`` lowered."""
    delay = _delay_samples(rate)
    skip, left = delay, 0
    graph, sink = _graph(rate, min(max(floor_db, FLOOR_RANGE_DB[0]), FLOOR_RANGE_DB[1]), reduction_db)
    for block, real in _padded(blocks, delay):
        left += real
        graph.push(_frame(block, rate))
        for out in _pulled(sink):
            ready = out[skip:][:left]
            skip = max(skip - len(out), 0)
            left -= len(ready)
            if len(ready):
                yield ready


def _delay_samples(rate: int) -> int:
    """Return by how much the filter is late: two of its steps of a rounded-down 1/80 s (25 ms)."""
    return 2 * (rate // 80)


def _padded(blocks: Iterable[NDArray[np.int16]], delay: int) -> Iterator[tuple[NDArray[np.int16], int]]:
    """Yield the blocks with the number of samples each is worth, then zeros that push the last samples out."""
    for block in blocks:
        yield block, len(block)
    yield np.zeros(delay + 4 * max(delay, 1), dtype=np.int16), 0


def _graph(rate: int, floor_db: float, reduction_db: float) -> tuple[av.filter.Graph, av.filter.FilterContext]:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="mono")
    noise = graph.add("afftdn", f"nr={reduction_db:.2f}:nf={floor_db:.2f}")
    sink = graph.add("abuffersink")
    graph.link_nodes(source, noise, sink).configure()
    return graph, sink


def _frame(block: NDArray[np.int16], rate: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray((block.astype(np.float32) / 32768)[np.newaxis], "fltp", "mono")
    frame.sample_rate = rate
    return frame


def _pulled(sink: av.filter.FilterContext) -> Iterator[NDArray[np.int16]]:
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):  # nothing more for now
            return
        if isinstance(frame, AudioFrame):
            yield np.clip(np.round(frame.to_ndarray()[0] * 32768), -32768, 32767).astype(np.int16)
