"""What one task costs while a thousand wait and while a million do, with one meeting and with ten thousand.

A plain kombu channel takes and acknowledges one message after the other, from a small queue and from a large one in
turn, so that nothing but the queue differs and a busy machine slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.support import worker
from benchmarks.support.draining import PAYLOAD
from benchmarks.support.place import Place, cpu_s_of, forks
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn

FLAT = 1.2
SHALLOW = 1000
TAKEN = 100  # messages at a time from each queue
TURNS = 8
LOW, HIGH = "low", "high"
#: rewriting the append-only file in the middle of a measurement would be counted as the cost of depth
NO_REWRITE = {"auto-aof-rewrite-percentage": "0"}


def rows(scale: Scale) -> Iterator[Row]:
    """Compare CPU time per task, of consumer and server together, which noisy neighbours touch less than the clock."""

    def depth(place: Place) -> float:
        place.fill_copies("noop", SHALLOW, PAYLOAD, queue=LOW)
        place.fill_copies("noop", scale.deep, PAYLOAD, queue=HIGH)
        return _ratio(place)

    def lanes(place: Place) -> float:
        place.fill_copies("noop", scale.lanes, PAYLOAD, keys=1, queue=LOW)
        place.fill_copies("noop", scale.lanes, PAYLOAD, keys=scale.lanes, queue=HIGH)
        return _ratio(place)

    stock, ours = in_turn(depth, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.deep} waiting, times that with {SHALLOW}", stock, ours, FLAT)
    stock, ours = in_turn(lanes, settings=NO_REWRITE)
    yield at_most(f"CPU per task with {scale.lanes} meetings, times that with 1", stock, ours, FLAT)


def _ratio(place: Place) -> float:
    receiver, sender = forks().Pipe(duplex=False)
    process = forks().Process(target=take, args=(place.setup(), place.server.pid, sender))
    process.start()
    sender.close()
    try:
        low, high = receiver.recv()
    finally:
        process.join()
    return float(statistics.median(high) / statistics.median(low))


def take(setup: worker.Setup, server_pid: int, answer: Connection) -> None:
    """Take from both queues in turn and answer with the CPU time in s of each turn on either."""
    costs: dict[str, list[float]] = {LOW: [], HIGH: []}
    with worker.make_app(setup).connection_for_read() as connection:
        channel: Any = connection.channel()
        for queue in (LOW, HIGH) * TURNS:
            began_s = time.process_time() + cpu_s_of(server_pid)
            for _ in range(TAKEN):
                channel.basic_get(queue).ack()
            costs[queue].append(time.process_time() + cpu_s_of(server_pid) - began_s)
    answer.send((costs[LOW], costs[HIGH]))
