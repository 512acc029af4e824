"""Caps: how many tasks of a type or a queue are in work at once over all workers, and how many start per second.

A type's cap is the one of the catalogue until an operator sets another; a queue has none until then. Caps are kept by
the broker and looked at whenever messages are handed out, so a change holds at once, for every worker. A message whose
cap is full is parked by the broker and never fills a worker's slot. A cap belongs to one queue: a type whose tasks are
sent to two queues has it in each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from meetingtasks.broker import scripts
from meetingtasks.broker.keys import WHOLE_QUEUE, QueueKeys
from meetingtasks.broker.records import cap_text
from meetingtasks.settings import Settings, current
from meetingtasks.store.client import connect
from meetingtasks.task_types import CATALOGUE

FASTEST_PER_S: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most ``most`` in work (0: nothing starts; None: no cap) and ``per_s`` starts per second (None: any number).

    After a pause ``burst`` may start at once, by default a second's worth. ValueError for a figure that makes no sense.
    """

    most: int | None = None
    per_s: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        """Refuse figures that make no sense."""
        if self.most is not None and self.most < 0:
            raise ValueError(f"most must be 0 or more, not {self.most}")
        if self.per_s is not None and not 0 < self.per_s <= FASTEST_PER_S:
            raise ValueError(f"per_s must be above 0 and at most {FASTEST_PER_S}, not {self.per_s:g}")
        if self.burst is not None and (self.burst < 1 or self.per_s is None):
            raise ValueError("burst must be 1 or more, and belongs to per_s")

    @property
    def bucket(self) -> int:
        """How many may start at once after a pause."""
        return self.burst or max(1, math.floor(self.per_s or 1))

    @property
    def text(self) -> str:
        """The stored form."""
        most = "-" if self.most is None else self.most
        return f"{most} {'-' if self.per_s is None else repr(float(self.per_s))} {self.bucket}"

    @classmethod
    def read(cls, text: str) -> Cap:
        """Read the stored form."""
        most, per_s, burst = text.split(" ")
        is_rated = per_s != "-"
        return cls(
            most=None if most == "-" else int(most),
            per_s=float(per_s) if is_rated else None,
            burst=int(burst) if is_rated else None,
        )


@dataclass(frozen=True, kw_only=True)
class CapInUse:
    """A cap with what it does now: ``name`` is a task type, None the whole queue.

    ``is_set`` tells an operator's cap from the catalogue's; ``in_work`` counts leases, ``parked`` what waits for room.
    """

    queue: str
    name: str | None
    cap: Cap
    is_set: bool
    in_work: int
    parked: int


class Caps:
    """The caps of one broker. Thread-safe."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._client = connect((settings or current()).broker_url, as_bytes=True)

    def of(self, queue: str) -> list[CapInUse]:
        """Return a queue's caps: its own if it has one, those of the catalogue, and those that were set."""
        keys = QueueKeys(queue)
        found = {key.decode(): Cap.read(text.decode()) for key, text in self._client.hgetall(keys.caps).items()}
        names = found.keys() | {t.name for t in CATALOGUE if t.queue == queue and t.concurrency is not None}
        return [self._in_use(keys, name, found.get(name)) for name in sorted(names)]

    def get(self, queue: str, name: str | None = None) -> CapInUse:
        """Return the cap of a task type (name or alias), or of the whole queue."""
        keys, stored = QueueKeys(queue), _stored(name)
        text = self._client.hget(keys.caps, stored)
        return self._in_use(keys, stored, None if text is None else Cap.read(text.decode()))

    def set(self, queue: str, name: str | None, cap: Cap) -> CapInUse:
        """Set the cap of a task type (name or alias), or of the whole queue; it outlives restarts."""
        scripts.limit(QueueKeys(queue), _stored(name), cap.text).run(self._client)
        return self.get(queue, name)

    def reset(self, queue: str, name: str | None = None) -> CapInUse:
        """Go back to the catalogue's cap; a queue, and a type without one there, then has none."""
        scripts.limit(QueueKeys(queue), _stored(name), "").run(self._client)
        return self.get(queue, name)

    def _in_use(self, keys: QueueKeys, stored: str, cap: Cap | None) -> CapInUse:
        is_whole = stored == WHOLE_QUEUE
        name = None if is_whole else unquote(stored)
        task_type = CATALOGUE.find(name) if name else None
        lane = (f"[{stored} ", f"({stored}!")
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.leases)
            pipe.zlexcount(keys.working, *lane)
            pipe.zlexcount(keys.parked, *lane)
            leased, in_work, parked = pipe.execute()
        return CapInUse(
            queue=keys.queue,
            name=name,
            cap=cap or Cap(most=task_type.concurrency if task_type else None),
            is_set=cap is not None,
            in_work=leased if is_whole else in_work,
            parked=0 if is_whole else parked,
        )


def cap_of(headers: Mapping[str, Any]) -> tuple[str, int | None] | None:
    """Return the cap under which a message runs: its type's name, and the catalogue's figure if it has one."""
    name = headers.get("task")
    if not isinstance(name, str):
        return None
    task_type = CATALOGUE.find(name)
    return (task_type.name, task_type.concurrency) if task_type else (name, None)


def _stored(name: str | None) -> str:
    if name is None:
        return WHOLE_QUEUE
    task_type = CATALOGUE.find(name)
    return cap_text(task_type.name if task_type else name)
