"""What one task costs while a thousand wait and while a million do, with one meeting and with ten thousand.

A plain kombu channel takes and acknowledges one message after the other, so that nothing but the queue's size differs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.support import worker
from benchmarks.support.draining import PAYLOAD
from benchmarks.support.place import QUEUE, Place, cpu_s_of, forks
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn

FLAT = 1.2
SHALLOW = 1000
WARM_UP = 100
#: rewriting the append-only file in the middle of a measurement would be counted as the cost of depth
NO_REWRITE = {"auto-aof-rewrite-percentage": "0"}


def rows(scale: Scale) -> Iterator[Row]:
    """Compare CPU time per task, of consumer and server together, which noisy neighbours touch less than the clock."""

    def depth(place: Place) -> float:
        shallow = [_cost_us(place, waiting=SHALLOW, keys=0) for _ in range(scale.rounds)]
        place.fill_copies("noop", scale.deep + scale.rounds * SHALLOW, PAYLOAD)
        deep = [_take_us(place) for _ in range(scale.rounds)]
        return statistics.median(deep) / statistics.median(shallow)

    def lanes(place: Place) -> float:
        pairs = [
            (_cost_us(place, waiting=scale.lanes, keys=1), _cost_us(place, waiting=scale.lanes, keys=scale.lanes))
            for _ in range(scale.rounds)
        ]
        return statistics.median(many for _, many in pairs) / statistics.median(one for one, _ in pairs)

    stock, ours = in_turn(depth, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.deep} waiting, times that with {SHALLOW}", stock, ours, FLAT)
    stock, ours = in_turn(lanes, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.lanes} meetings, times that with 1", stock, ours, FLAT)


def _cost_us(place: Place, *, waiting: int, keys: int) -> float:
    place.client.flushall()
    place.fill_copies("noop", waiting, PAYLOAD, keys=keys)
    return _take_us(place)


def _take_us(place: Place) -> float:
    receiver, sender = forks().Pipe(duplex=False)
    process = forks().Process(target=take, args=(place.setup(), place.server.pid, sender))
    process.start()
    sender.close()
    try:
        return float(receiver.recv())
    finally:
        process.join()


def take(setup: worker.Setup, server_pid: int, answer: Connection) -> None:
    """Take a thousand messages and answer with the CPU time of each, in µs."""
    with worker.make_app(setup).connection_for_read() as connection:
        channel = connection.channel()
        _take(channel, WARM_UP)
        began_s = time.process_time() + cpu_s_of(server_pid)
        _take(channel, SHALLOW - WARM_UP)
        spent_s = time.process_time() + cpu_s_of(server_pid) - began_s
    answer.send(spent_s / (SHALLOW - WARM_UP) * 1e6)


def _take(channel: Any, number: int) -> None:
    for _ in range(number):
        taken = channel.basic_get(QUEUE)
        if taken is None:
            raise LookupError("a message that was put into the queue cannot be taken")
        taken.ack()
