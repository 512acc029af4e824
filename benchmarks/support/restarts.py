"""The server killed and started again, with its append-only file, while workers drain."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import redis

from benchmarks.support.messages import message
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import must, wait_for

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
        before = len(place.ended())
        must(lambda before=before: len(place.ended()) > before + 30, PATIENCE_S, "tasks between two restarts")
        place.server.kill()
        place.server.restart()
        back_at = time.time()
        seen = place.started()

        def consuming(seen: dict[str, int] = seen, back_at: float = back_at) -> bool:
            return any(when > back_at and name not in seen for when, name in place.times("start"))

        wait_for(lambda running=running: consuming() or not running.lives, PATIENCE_S)
        if not running.lives:
            deaths += 1
            running = place.worker("prefork")
            wait_for(consuming, PATIENCE_S)
        new = [when for when, name in place.times("start") if when > back_at and name not in seen]
        slowest_s = max(slowest_s, (new[0] if new else time.time()) - back_at)
    wait_for(lambda: set(place.ended()) >= set(names) or _left(place) == 0, 60)
    if not running.lives:
        deaths += 1
    return place.lost(names), slowest_s, deaths


def _left(place: Place) -> int:
    try:
        return place.left() if place.ours else sum(map(place.client.llen, place.stock_lists()))
    except redis.ConnectionError:
        return -1
