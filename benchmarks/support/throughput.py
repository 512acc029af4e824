"""Tasks per second with tasks that do nothing, and how fast they are submitted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from celery import Celery

from benchmarks.support import worker
from benchmarks.support.draining import PAYLOAD, drained
from benchmarks.support.place import QUEUE, Place, forks
from benchmarks.support.report import Row, times_stock
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from meetingtasks.broker.submit import Submitter, TaskTemplate

POOLS = {"threads": 5.0, "solo": 5.0, "prefork": 2.5}
BULK = 5.0


def rows(scale: Scale) -> Iterator[Row]:
    """Drain with each kind of pool, in turn and several times; then submit."""
    for pool, factor in POOLS.items():

        def measure(place: Place, pool: str = pool) -> float:
            return drained(place, pool, scale.drained).rate

        rounds = [in_turn(measure) for _ in range(scale.rounds)]
        stock, ours = (statistics.median(rates) for rates in zip(*rounds, strict=True))
        yield times_stock(f"no-op tasks/s, {pool}", stock, ours, factor)
    yield from _submitting(scale)


def _submitting(scale: Scale) -> Iterator[Row]:
    def measure(place: Place) -> list[float]:
        receiver, sender = forks().Pipe(duplex=False)
        process = forks().Process(target=publish, args=(place.setup(), scale.published, sender))
        process.start()
        sender.close()
        try:
            return list(receiver.recv())
        finally:
            process.join()

    rounds = [in_turn(measure) for _ in range(scale.rounds)]
    one, bulk, own = ([statistics.median(r[side][way] for r in rounds) for side in (0, 1)] for way in (0, 1, 2))
    yield times_stock("submitted/s with .delay()", one[0], one[1], 0.9)
    best = max(one)
    for what, (stock, ours) in (("producer.batch", bulk), ("Submitter (stock: producer.batch)", own)):
        met = ours >= BULK * best
        yield Row(f"submitted/s with {what}", round(stock), round(ours), f">= {BULK:g} x best .delay()", met)


def publish(setup: worker.Setup, number: int, answer: Connection) -> None:
    """Submit one by one, in a batch, and by the broker's own way where there is one; answer with the rates per s."""
    app = worker.make_app(setup)
    task = app.tasks["bench.noop"]
    task.delay(PAYLOAD)
    began = time.perf_counter()
    for _ in range(number):
        task.delay(PAYLOAD)
    one = number / (time.perf_counter() - began)
    began = time.perf_counter()
    with app.producer_or_acquire() as producer, producer.batch():
        for _ in range(number * 2):
            task.apply_async((PAYLOAD,), producer=producer)
    bulk = 2 * number / (time.perf_counter() - began)
    answer.send([one, bulk, _submit(app, number * 5) if setup.ours else bulk])


def _submit(app: Celery, number: int) -> float:
    template = TaskTemplate("bench.noop", QUEUE)
    began = time.perf_counter()
    with app.connection_for_write() as connection:
        Submitter(connection).submit(template.message((PAYLOAD,)) for _ in range(number))
    return number / (time.perf_counter() - began)
