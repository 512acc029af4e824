"""Tasks and delays longer than a lease, and a worker that sleeps through its lease."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

from benchmarks.support.messages import many, message
from benchmarks.support.place import Place
from benchmarks.support.recovery import SWEEP
from benchmarks.support.report import Row, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import at_once
from benchmarks.support.waits import must, wait_for

LONGER = 10


def rows(scale: Scale) -> Iterator[Row]:
    """Stop a worker for three leases; run, delay and retry for ten."""
    lease_s = scale.lease_s
    options = {"lease_s": lease_s, "renew_s": lease_s / 3, "visibility_timeout": lease_s, **SWEEP}

    def frozen(place: Place) -> int:
        return _frozen(place, lease_s)

    def long(place: Place) -> list[int]:
        return _long(place, lease_s * LONGER)

    stock, ours = at_once(frozen, **options)
    yield exactly("SIGSTOP for 3 leases, then SIGCONT: accepted ends of the task", stock, ours, 1)
    stocks, owns = at_once(long, **options)
    for i, what in enumerate(("a task of", "a countdown of", "a retry with a countdown of")):
        yield exactly(f"{what} {LONGER} leases or visibility timeouts: starts", stocks[i], owns[i], 1)


def _frozen(place: Place, lease_s: float) -> int:
    sleeper = place.worker("prefork", 1)
    place.fill(many("nap", ["shared"], 2 * lease_s))
    must(lambda: place.started()["shared"], 20, "the task's start")
    sleeper.signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    place.worker("prefork", 1)
    wait_for(lambda: time.monotonic() - stopped_at > 3 * lease_s, 4 * lease_s)
    sleeper.signal(signal.SIGCONT)
    wait_for(lambda: place.ended()["shared"] > 1 and place.left() == 0, 4 * lease_s + 5)
    if not place.ours:
        return place.ended()["shared"]  # stock accepts every acknowledgement
    wait_for(lambda: "Lease lost" in sleeper.output, 5)
    acked = place.queue.size().counters["acked"]
    return acked if "Lease lost" in sleeper.output or place.ended()["shared"] == 1 else -1


def _long(place: Place, seconds: float) -> list[int]:
    for _ in range(2):
        place.worker("prefork", 2)
    place.fill(
        [
            message("nap", "long", seconds),
            message("stamp", "delayed", due_at=time.time() + seconds),
            message("later", "retried", seconds),
        ]
    )
    wait_for(lambda: place.started()["delayed"] and place.started()["retried.1"], seconds + 20)
    wait_for(lambda: place.ended()["long"] and place.left() == 0, 5)
    time.sleep(1.0)  # whatever starts once more
    return [place.started()[name] for name in ("long", "delayed", "retried.1")]
