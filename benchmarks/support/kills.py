"""Workers killed with SIGKILL while they drain tasks of a few milliseconds: what is lost, and what starts once more."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks.support.messages import message
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import at_once
from benchmarks.support.waits import must

SLOTS = {"prefork": 2, "threads": 2, "solo": 1}
TASKS_PER_KILL = 150
NO_DEATHS = 1_000_000  # the same task may be hit by several kills; here nothing must become a dead letter for it


def rows(scale: Scale) -> Iterator[Row]:
    """Kill workers of each pool."""
    for pool, slots in SLOTS.items():

        def measure(place: Place, pool: str = pool) -> tuple[int, int]:
            return _kill(place, pool, scale.kills_per_pool)

        stock, ours = at_once(measure, max_deliveries=NO_DEATHS, lease_s=3.0, renew_s=1.0)
        what = f"kill -9 of a busy worker, {scale.kills_per_pool} times, {pool}"
        yield exactly(f"{what}: tasks lost", stock[0], ours[0], 0)
        yield at_most(f"{what}: extra starts", stock[1], ours[1], scale.kills_per_pool * slots)


def _kill(place: Place, pool: str, kills: int) -> tuple[int, int]:
    names = [f"task{i}" for i in range(TASKS_PER_KILL * (kills + 1))]
    place.fill([message("nap", name, random.uniform(0.001, 0.01)) for name in names])
    for _ in range(kills):
        doomed = place.worker(pool)
        place.note_more(40)
        time.sleep(random.uniform(0, 0.1))
        doomed.kill()
    last = place.worker(pool)
    if place.ours:
        place.drained(60)
    else:
        must(lambda: not place.waiting_in_stock(), 60, "stock's last tasks")
        must(lambda: _idle(place), 20, "stock's last task's end")
    last.kill()
    starts = place.started()
    return place.lost(names), sum(starts.values()) - len(starts)


def _idle(place: Place) -> bool:
    seen = len(place.lines())
    time.sleep(0.3)
    return len(place.lines()) == seen
