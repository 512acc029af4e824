"""How soon the tasks of a killed worker, and of a killed pool process, start again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from benchmarks.support.messages import many
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import at_once
from benchmarks.support.waits import must, wait_for

SWEEP = {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}  # stock looks every second, not every 100 s
VISIBILITY_S = 30
NEVER_S = 60.0


def rows(scale: Scale) -> Iterator[Row]:
    """Kill a worker, then a pool process; the slowest of all rounds counts."""
    rounds = [at_once(_worker, visibility_timeout=VISIBILITY_S, **SWEEP) for _ in range(scale.recoveries)]
    yield at_most(
        f"kill -9 of a worker (stock: visibility_timeout {VISIBILITY_S} s, sweep 1 s): s until its tasks start again",
        max(stock for stock, _ in rounds),
        max(ours for _, ours in rounds),
        10,
    )
    rounds = [at_once(_child, visibility_timeout=VISIBILITY_S, **SWEEP) for _ in range(scale.recoveries)]
    yield at_most(
        "kill -9 of a pool process: s until its task starts again",
        max(stock for stock, _ in rounds),
        max(ours for _, ours in rounds),
        1,
    )


def _worker(place: Place) -> float:
    doomed = place.worker("prefork")
    names = ["a", "b"]
    place.fill(many("nap", names, 0.8))
    must(lambda: len(place.started()) == len(names), 20, "two tasks' start")
    place.worker("prefork", wait=False)
    doomed.kill()
    killed_at = time.time()
    wait_for(lambda: all(place.started()[name] > 1 for name in names), NEVER_S)
    return _restarted(place, names, killed_at)


def _child(place: Place) -> float:
    place.worker("prefork")
    place.fill(many("nap", ["victim"], 0.8))
    must(lambda: place.started()["victim"], 20, "the task's start")
    os.kill(place.process_of("victim"), signal.SIGKILL)
    killed_at = time.time()
    wait_for(lambda: place.started()["victim"] > 1, NEVER_S)
    return _restarted(place, ["victim"], killed_at)


def _restarted(place: Place, names: list[str], killed_at: float) -> float:
    again = {name: when for when, name in place.times("start") if when > killed_at}
    return max(again.get(name, killed_at + NEVER_S) - killed_at for name in names)
