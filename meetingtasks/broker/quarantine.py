"""The quarantine: messages that no worker may see, kept with their raw bytes and the reason until a person decides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meetingtasks.broker.keys import QuarantineKeys, QueueKeys
from meetingtasks.clock import SYSTEM

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client, Pipeline

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One entry: ``raw`` is the message as it came; ``at_ms`` is when it was set aside."""

    id: str
    queue: str
    reason: str
    at_ms: int
    raw: bytes = field(repr=False)


class Quarantine:
    """The quarantine of one server; ``client`` must leave replies as bytes."""

    def __init__(self, client: Client, *, prefix: str = "") -> None:
        self.client = client
        self.keys = QuarantineKeys(prefix)

    def add(self, pipe: Pipeline | Client, raw: bytes, *, queue: str, reason: str) -> str:
        """Set raw bytes aside (as commands on ``pipe``); returns the entry's id."""
        entry_id = new_id()
        pipe.zadd(self.keys.index, {entry_id: SYSTEM.now_ms()})
        pipe.hset(self.keys.entries, entry_id, note(queue, reason).encode() + b"\n" + raw)
        return entry_id

    def entries(self, limit: int = 50, *, first: int = 0) -> list[Quarantined]:
        """Return entries, the newest first."""
        ids = self.client.zrevrange(self.keys.index, first, first + limit - 1)
        return [entry for entry in (self.show(entry_id.decode()) for entry_id in ids) if entry is not None]

    def size(self) -> int:
        """Count the entries."""
        return int(self.client.zcard(self.keys.index))

    def show(self, entry_id: str) -> Quarantined | None:
        """Return one entry, None when there is none of that id."""
        value = self.client.hget(self.keys.entries, entry_id)
        if value is None:
            return None
        head, _, raw = value.partition(b"\n")
        about = json.loads(head)
        score = self.client.zscore(self.keys.index, entry_id)
        return Quarantined(entry_id, about["queue"], about["reason"], int(score or 0), raw)

    def requeue(self, ids: Iterable[str]) -> list[str]:
        """Put entries back where they came from, to be looked at anew; returns the ids that went."""
        went = []
        for entry in filter(None, map(self.show, ids)):
            with self.client.pipeline(transaction=True) as pipe:
                self._remove(pipe, [entry.id])
                pipe.rpush(QueueKeys(entry.queue, self.keys.prefix).list, entry.raw)
                if pipe.execute()[0]:
                    went.append(entry.id)
        return went

    def purge(self, ids: Iterable[str] | None = None) -> int:
        """Drop these entries, or all; returns how many."""
        if ids is not None:
            return self._drop(list(ids))
        purged = 0
        while found := self.client.zrange(self.keys.index, 0, AT_ONCE - 1):
            purged += self._drop([entry_id.decode() for entry_id in found])
        return purged

    def _drop(self, ids: list[str]) -> int:
        if not ids:
            return 0
        with self.client.pipeline(transaction=True) as pipe:
            self._remove(pipe, ids)
            return int(pipe.execute()[0])

    def _remove(self, pipe: Pipeline, ids: list[str]) -> None:
        pipe.zrem(self.keys.index, *ids)
        pipe.hdel(self.keys.entries, *ids)


def new_id() -> str:
    """Return an id for a new entry."""
    return os.urandom(8).hex()


def note(queue: str, reason: str) -> str:
    """Return the line that is kept before an entry's raw bytes."""
    return json.dumps({"queue": queue, "reason": reason})
