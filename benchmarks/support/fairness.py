"""One meeting that enqueues thousands of tasks beside fifty that enqueue one each second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.support.draining import drained
from benchmarks.support.messages import many, message
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import must

OTHERS = 50
NAP_S = 0.01
SLOTS = 4
LONGER_WAIT, KEPT_RATE = 1.2, 0.9


def rows(scale: Scale) -> Iterator[Row]:
    """Compare the others' waits with and without the big meeting, and the rate with and without meetings."""

    def measure(place: Place) -> float:
        alone = _p95_s(place, scale.fair_rounds, "alone")
        place.fill(many("nap", [f"big{i}" for i in range(scale.big_meeting)], NAP_S, key="big"))
        return _p95_s(place, scale.fair_rounds, "beside") / alone

    stock, ours = in_turn(measure)
    what = f"one meeting enqueues {scale.big_meeting}"
    yield at_most(f"{what}: {OTHERS} others' p95 wait, times that without it", stock, ours, LONGER_WAIT)

    def keyed(place: Place) -> float:
        rates = [
            (drained(place, "threads", scale.drained).rate, drained(place, "threads", scale.drained, keys=OTHERS).rate)
            for _ in range(min(scale.rounds, 2))
        ]
        return statistics.median(fair / plain for plain, fair in rates)

    stock, ours = in_turn(keyed)
    met = ours >= KEPT_RATE
    yield Row(
        f"tasks/s with {OTHERS} meetings, times that of plain first in, first out", stock, ours, f">= {KEPT_RATE}", met
    )


def _p95_s(place: Place, rounds: int, name: str) -> float:
    running = place.worker("threads", SLOTS)
    submitted: dict[str, float] = {}
    next_at = time.monotonic()
    for number in range(rounds):
        batch = {f"{name}.{number}.{i}": f"other{i}" for i in range(OTHERS)}
        place.fill([message("nap", task, NAP_S, key=key) for task, key in batch.items()])
        submitted |= dict.fromkeys(batch, time.time())
        next_at += 1.0
        time.sleep(max(0.0, next_at - time.monotonic()))
    must(lambda: submitted.keys() <= place.started().keys(), 120, "the other meetings' tasks")
    waits = [when - submitted[task] for when, task in place.times("start") if task in submitted]
    running.kill()
    return statistics.quantiles(waits, n=20)[-1]
