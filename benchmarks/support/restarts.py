"""The server killed and started again, with its append-only file, while workers drain."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks.support.messages import message
from benchmarks.support.place import Place, RunningWorker
from benchmarks.support.report import Row, at_most, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import wait_for

TASKS_PER_RESTART = 300
PATIENCE_S = 30.0


def rows(scale: Scale) -> Iterator[Row]:
    """Restart the server again and again; a worker that dies of it is started anew at once."""

    def measure(place: Place) -> tuple[int, float, int]:
        return _restarts(place, scale.restarts)

    stock, ours = in_turn(measure)
    what = f"server killed and restarted {scale.restarts} times under load"
    yield exactly(f"{what}: tasks lost", stock[0], ours[0], 0)
    yield at_most(f"{what}: s until consuming again", stock[1], ours[1], 5)
    yield exactly(f"{what}: workers that died of it", stock[2], ours[2], 0)


def _restarts(place: Place, times: int) -> tuple[int, float, int]:
    names = [f"task{i}" for i in range(TASKS_PER_RESTART * times)]
    place.fill([message("nap", name, random.uniform(0.005, 0.015)) for name in names])
    running, deaths, slowest_s = place.worker("prefork"), 0, 0.0
    for _ in range(times):
        place.note_more(60)
        place.server.kill()
        place.server.restart()
        back_at, seen = time.time(), place.started()
        if not _consumes(place, running, seen, back_at):
            deaths += 1
            running = place.worker("prefork")
            _consumes(place, running, seen, back_at)
        slowest_s = max(slowest_s, min(_new(place, seen, back_at), default=time.time()) - back_at)
    wait_for(lambda: set(place.ended()) >= set(names) or _nothing_waits(place) or not running.lives, PATIENCE_S)
    deaths += not running.lives
    return place.lost(names), slowest_s, deaths


def _consumes(place: Place, running: RunningWorker, seen: Counter[str], since: float) -> bool:
    wait_for(lambda: _new(place, seen, since) or not running.lives, PATIENCE_S)
    return bool(_new(place, seen, since)) or running.lives


def _new(place: Place, seen: Counter[str], since: float) -> list[float]:
    return [when for when, name in place.times("start") if when > since and name not in seen]


def _nothing_waits(place: Place) -> bool:
    return (place.left() if place.ours else place.waiting_in_stock()) == 0
