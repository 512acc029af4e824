"""Many delayed tasks: what a worker holds in memory for them, and how punctually they start."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.support.messages import message
from benchmarks.support.place import Place
from benchmarks.support.report import Row, at_most
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import wait_for

AHEAD_S = 3.0
PATIENCE_S = 30.0
FLAT_MIB = 16.0
EARLY_S = 0.05  # clocks and times in whole ms


def rows(scale: Scale) -> Iterator[Row]:
    """Fill in delayed tasks, due one after the other, and watch."""

    def measure(place: Place) -> tuple[float, float]:
        return _delays(place, scale.delayed, scale.delayed_over_s)

    stock, ours = in_turn(measure)
    what = f"{scale.delayed} delayed tasks, due over {scale.delayed_over_s:g} s"
    yield at_most(f"{what}: MiB that the worker grows by", stock[0], ours[0], FLAT_MIB)
    yield at_most(f"{what}: s by which the latest starts late", stock[1], ours[1], 1)


def _delays(place: Place, number: int, over_s: float) -> tuple[float, float]:
    running = place.worker("threads", 4)
    before_mib, ahead_s = running.rss_mib(), AHEAD_S + number / 2000
    first_due = time.time() + ahead_s
    due = {f"due{i}": first_due + i * over_s / number for i in range(number)}
    place.fill([message("stamp", name, due_at=when) for name, when in due.items()])
    if time.time() > first_due:
        raise TimeoutError("filling took longer than the first task's delay")
    most_mib = before_mib

    def all_started() -> bool:
        nonlocal most_mib
        most_mib = max(most_mib, running.rss_mib())
        return len(place.started()) == number

    wait_for(all_started, ahead_s + over_s + PATIENCE_S, every_s=0.25)
    late = [when - due[name] for when, name in place.times("start")]
    latest_s = max(late) if len(late) >= number else PATIENCE_S
    if min(late, default=0) < -EARLY_S:
        raise AssertionError(f"a delayed task started {-min(late):.3f} s early")
    return most_mib - before_mib, latest_s
