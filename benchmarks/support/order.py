"""Critical tasks that come while low ones wait: how many low ones still start before the last critical one."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.support.messages import many
from benchmarks.support.place import Place
from benchmarks.support.report import Row, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import must

LOW, CRITICAL = 200, 20
NAP_S = 0.05
ON_ITS_WAY_S = 0.03  # a task handed out before may still be on its way into the pool


def rows(_: Scale) -> Iterator[Row]:
    """Count inversions on each kind of pool."""
    for pool in ("prefork", "threads", "solo"):

        def measure(place: Place, pool: str = pool) -> int:
            return _inversions(place, pool)

        stock, ours = in_turn(measure)
        yield exactly(f"{CRITICAL} critical behind {LOW} low, {pool}: low ones that start before them", stock, ours, 0)


def _inversions(place: Place, pool: str) -> int:
    place.fill(many("nap", [f"low{i}" for i in range(LOW)], NAP_S, priority=9))
    place.worker(pool)
    must(lambda: len(place.ended()) >= CRITICAL, 30, "the first low tasks")
    place.fill(many("nap", [f"critical{i}" for i in range(CRITICAL)], NAP_S, priority=0))
    since = time.time() + ON_ITS_WAY_S
    must(lambda: sum(name.startswith("critical") for name in place.started()) == CRITICAL, 30, "the critical tasks")
    last = max(when for when, name in place.times("start") if name.startswith("critical"))
    return sum(since < when < last and name.startswith("low") for when, name in place.times("start"))
