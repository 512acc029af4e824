"""Filters over a stream of pictures: FFmpeg's, chained, and rebuilt when the pictures change their size on the way.

Recordings of calls change their resolution with the network. A graph serves one size, so a new one is made for a new
size, and every chain ends with the same output size.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av.error
import av.filter
from av import VideoFrame

from workers.engines.errors import NotConfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from workers.engines.media.video import Picture

TICKS = Fraction(1, 90_000)
"""Time base of everything between decoder and encoder: divides all usual frame rates."""

_UPRIGHT = {
    90: [("transpose", "dir=cclock")],
    180: [("hflip", ""), ("vflip", "")],
    270: [("transpose", "dir=clock")],
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One FFmpeg filter: its name and its arguments as FFmpeg writes them."""

    name: str
    arguments: str = ""


def require_filters(filters: Iterable[Filter], operation: str) -> None:
    """Raise ``NotConfigured`` naming the first filter that this build of FFmpeg lacks."""
    for wanted in filters:
        if wanted.name not in av.filter.filters_available:
            raise NotConfigured(
                f"the operation {operation!r} needs FFmpeg's filter {wanted.name!r}, which this build does not have"
            )


def filtered(
    pictures: Iterable[Picture], filters: Sequence[Filter], *, width: int, height: int
) -> Iterator[VideoFrame]:
    """Yield the pictures upright, filtered, as yuv420p of ``width`` x ``height``, with times in ``TICKS``.

    Without a filter that adds or drops frames, as many come out as go in.
    """
    graph, shape = None, None
    for picture in pictures:
        frame = picture.frame
        new_shape = (frame.width, frame.height, frame.format.name, round(frame.rotation) % 360)
        if graph is None or new_shape != shape:
            if graph is not None:
                yield from _run(graph, None)
            ends = [Filter("scale", f"w={width}:h={height}:flags=bicubic"), Filter("format", "pix_fmts=yuv420p")]
            graph, shape = _graph(frame, [*filters, *ends]), new_shape
        frame.pts = max(round(picture.time_s / TICKS), 0)
        frame.time_base = TICKS
        yield from _run(graph, frame)
    if graph is not None:
        yield from _run(graph, None)


def _graph(frame: VideoFrame, filters: Sequence[Filter]) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=TICKS)
    upright = [Filter(*step) for step in _UPRIGHT.get(round(frame.rotation) % 360, [])]
    # The filters of this project's table work on planar YUV; recordings of screens may come as RGB.
    chain = [*upright, Filter("format", "pix_fmts=yuv420p"), *filters]
    nodes = [graph.add(step.name, step.arguments or None) for step in chain]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    return graph


def _run(graph: av.filter.Graph, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    graph.vpush(frame)
    while True:
        try:
            out = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):  # nothing more for now
            return
        if out.pts is not None and out.time_base is not None:
            out.pts, out.time_base = round(out.pts * out.time_base / TICKS), TICKS
        yield out
