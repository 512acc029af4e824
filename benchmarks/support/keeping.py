"""Tasks per second that return something: ours keep a whole record of each, stock keeps the result in Redis.

Ours are tasks of a service, whose records (state, attempt, times, counters, event) were made when they were accepted,
as every submission does.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from redis import Redis

from benchmarks.support import worker
from benchmarks.support.draining import PAYLOAD, Drained, drain
from benchmarks.support.messages import copies
from benchmarks.support.place import AT_ONCE, Place, batched
from benchmarks.support.report import Row, times_stock
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from meetingtasks.lifecycle import values_of
from meetingtasks.store.tasks import TaskStore

POOLS = ("solo", "prefork")
FACTOR = 2.0


def rows(scale: Scale) -> Iterator[Row]:
    """Drain with each kind of pool, in turn and several times."""
    for pool in POOLS:

        def measure(place: Place, pool: str = pool) -> float:
            return kept(place, pool, scale.drained).rate

        rounds = [in_turn(measure, keeps=True) for _ in range(scale.rounds)]
        stock, ours = (statistics.median(rates) for rates in zip(*rounds, strict=True))
        yield times_stock(f"tasks/s with result and state kept, {pool}", stock, ours, FACTOR)


def kept(place: Place, pool: str, tasks: int) -> Drained:
    """Fill a queue, let a fresh worker run what is in it; raises `AssertionError` when a result is missing."""
    name = worker.KEPT.celery_name
    with Redis.from_url(place.server.client_url, decode_responses=True) as client:
        store = TaskStore(client, record_ttl_s=3600, stream_length=10_000)
        for part in batched(copies(name, tasks, kwargs={"text": PAYLOAD}), AT_ONCE):
            if place.ours:
                store.create_many({task_id: values_of(name, queue="", kwargs={}) for task_id, _, _ in part})
            place.put(part)
        found = drain(place, pool, tasks)
        done = (
            store.counts().get("completed", 0) if place.ours else sum(1 for _ in client.scan_iter("celery-task-meta-*"))
        )
    assert done == tasks, f"{done} of {tasks} results"
    return found
