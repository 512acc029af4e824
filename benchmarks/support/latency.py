"""How long a task waits for an idle worker: from before it is submitted to its first line, at a hundred a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.support.messages import message
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import must

PER_S = 100
SLOTS = 4
GOAL_MS = 10.0
LEVELS = {"critical": 0, "high": 3, "normal": 6, "low": 9}


def rows(scale: Scale) -> Iterator[Row]:
    """Submit one by one, the four priorities in turn, and compare medians and the slowest of a hundred."""

    def measure(place: Place) -> dict[str, list[float]]:
        return _waits_ms(place, scale.paced)

    stock, ours = in_turn(measure)
    every = [[wait for waits in side.values() for wait in waits] for side in (stock, ours)]
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        figures = [statistics.quantiles(waits, n=100)[percent - 1] for waits in every]
        yield at_most(f"submit to start at {PER_S} tasks/s, {name}: ms", figures[0], figures[1], GOAL_MS)
    for level in LEVELS:
        figures = [statistics.median(side[level]) for side in (stock, ours)]
        yield at_most(f"the same, {level} alone, p50: ms", figures[0], figures[1], GOAL_MS)


def _waits_ms(place: Place, number: int) -> dict[str, list[float]]:
    running = place.worker("threads", SLOTS)
    names = [f"{level}.{i}" for i in range(number // len(LEVELS)) for level in LEVELS]
    submitted: dict[str, float] = {}
    next_at = time.monotonic()
    for name in names:
        submitted[name] = time.time()
        place.fill([message("stamp", name, priority=LEVELS[name.partition(".")[0]])])
        next_at += 1 / PER_S
        time.sleep(max(0.0, next_at - time.monotonic()))
    must(lambda: len(place.started()) >= len(names), 60, "the paced tasks")
    running.kill()
    waits: dict[str, list[float]] = {level: [] for level in LEVELS}
    for when, name in place.times("start"):
        waits[name.partition(".")[0]].append((when - submitted[name]) * 1000)
    return waits
