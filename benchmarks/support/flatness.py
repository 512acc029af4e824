"""What one task costs while a thousand wait and while a million do, with one meeting and with ten thousand."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.support.draining import drained
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn

FLAT = 1.2
SHALLOW = 1000
#: rewriting the append-only file in the middle of a measurement would be counted as the cost of depth
NO_REWRITE = {"auto-aof-rewrite-percentage": "0"}


def rows(scale: Scale) -> Iterator[Row]:
    """Compare CPU time per task, of worker and server together, which noisy neighbours hardly touch."""

    def depth(place: Place) -> float:
        return _ratio(place, scale, (SHALLOW, 0), (scale.deep, 0))

    def lanes(place: Place) -> float:
        return _ratio(place, scale, (scale.lanes, 1), (scale.lanes, scale.lanes))

    stock, ours = in_turn(depth, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.deep} waiting, times that with {SHALLOW}", stock, ours, FLAT)
    stock, ours = in_turn(lanes, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.lanes} meetings, times that with 1", stock, ours, FLAT)


def _ratio(place: Place, scale: Scale, low: tuple[int, int], high: tuple[int, int]) -> float:
    def cost(waiting: int, keys: int) -> float:
        return drained(place, "solo", min(SHALLOW, scale.drained), waiting=waiting, keys=keys).cpu_us

    base = statistics.median(cost(*low) for _ in range(scale.rounds))
    return cost(*high) / base
