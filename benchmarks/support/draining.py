"""Draining no-op tasks with one worker: how many per second, and how much CPU time each costs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.support.place import Place, RunningWorker, cpu_s_of
from benchmarks.support.waits import must

PAYLOAD = "x" * 200
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Drained:
    """``rate``: tasks per s; ``cpu_us``: CPU time of worker and server per task, in µs."""

    rate: float
    cpu_us: float


def drained(place: Place, pool: str, tasks: int, *, keys: int = 0) -> Drained:
    """Fill a queue with tasks of ``keys`` meetings (0: of none) and drain it."""
    place.client.flushall()
    place.fill_copies("noop", tasks, PAYLOAD, keys=keys)
    return drain(place, pool, tasks)


def drain(place: Place, pool: str, tasks: int) -> Drained:
    """Let a fresh worker run what waits. The first tenth is its warm-up; both ends are read from the server."""
    running = place.worker(pool)
    left, began_s, began_cpu_s = _reached(place, running, tasks - tasks // 10)
    end, ended_s, ended_cpu_s = _reached(place, running, 0)
    running.kill()
    done = left - end
    return Drained(done / (ended_s - began_s), (ended_cpu_s - began_cpu_s) / done * 1e6)


def _reached(place: Place, running: RunningWorker, left: int) -> tuple[int, float, float]:
    must(lambda: place.left() <= left, PATIENCE_S, f"{left} tasks left")
    return place.left(), time.perf_counter(), running.cpu_s() + cpu_s_of(place.server.pid)
