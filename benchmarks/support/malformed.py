"""Messages that no worker can read: whether it goes on, and where they go."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from benchmarks.support.messages import many, message
from benchmarks.support.place import QUEUE, Place
from benchmarks.support.report import Row, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import wait_for
from meetingtasks.broker import Quarantine

WITHIN_S = 6.0
WRONG: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("headers",): (None, [], "text", 1),
    ("properties",): (None, [], "text", 1),
    ("body",): (None, [], 1, "no json", "[", "{}", "[1, 2]", "[1, {}, {}]", "[[], [], {}]", "[[], {}, []]", "null"),
    ("content-type",): (None, 1, "text/unknown", "application/x-python-serialize"),
    ("content-encoding",): (None, 1, "no-such-encoding"),
    ("headers", "task"): (None, 1, "", [], "x" * 300),
    ("headers", "id"): (None, 1, "", []),
    ("headers", "retries"): ("many", -1, [], 1.5),
    ("headers", "timelimit"): ("long", [1], 5, ["a", "b"]),
    ("headers", "eta"): (1, "tomorrow", []),
    ("headers", "expires"): (1, "tomorrow", []),
    ("headers", "stamps"): ("text",),
    ("properties", "delivery_info"): (None, "text"),
    ("properties", "delivery_tag"): (None, 1),
    ("properties", "body_encoding"): ("no-such-encoding", 1),
}
BYTES = (b"not json", b"\xff\xfe\x00", b"[]", b"null", b"1", b"{}", b"[" * 100_000)
NUMBER = 60


def rows(_: Scale) -> Iterator[Row]:
    """Push them on the queue's list between good tasks."""
    stock, ours = in_turn(_malformed)
    yield exactly(f"{NUMBER} malformed messages: worker's deaths", stock[0], ours[0], 0)
    yield exactly(f"{NUMBER} malformed messages: set aside with their bytes", stock[1], ours[1], NUMBER)
    yield exactly(
        f"{NUMBER} malformed messages: good tasks among them that ran, of {NUMBER // 10}", *_good(stock, ours)
    )


def _good(stock: tuple[int, int, int], ours: tuple[int, int, int]) -> tuple[int, int, int]:
    return stock[2], ours[2], NUMBER // 10


def _malformed(place: Place) -> tuple[int, int, int]:
    broken = damaged()
    good = [f"good{i}" for i in range(NUMBER // 10)]
    running, deaths = place.worker("prefork"), 0
    for i, raw in enumerate(broken):
        place.client.lpush(QUEUE, raw)
        if i % 10 == 0:
            place.fill(many("stamp", [good[i // 10]]))
        if not running.lives:
            deaths += 1
            running = place.worker("prefork")
    quarantine = Quarantine(place.client)

    def settled() -> bool:
        return len(place.started()) == len(good) and quarantine.size() == len(broken)

    wait_for(lambda: settled() or not running.lives, WITHIN_S)
    deaths += not running.lives
    kept = sorted(entry.raw for entry in quarantine.entries(NUMBER)) if quarantine.size() == NUMBER else []
    return deaths, len(set(kept) & set(broken)), len(place.started())


def damaged() -> list[bytes]:
    """Return different messages, each with one thing wrong."""
    broken = list(BYTES)
    for path, values in WRONG.items():
        for value in values:
            whole = copy.deepcopy(message("stamp", "broken"))
            part: Any = whole
            for name in path[:-1]:
                part = part[name]
            part[path[-1]] = value
            broken.append(json.dumps(whole).encode())
    return broken[:NUMBER]
