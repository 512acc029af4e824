"""The reactor: what a service does because of events, once per service, whatever happens to its workers.

A subscriber hears an event in every process, and only while it listens. A reaction must happen once and must not be
missed, so it is read from the channel's stream by a consumer group: the server hands each event to one worker of the
service, remembers which one until that says that it is done, and keeps for a service that is down what it has not read.
An event whose worker died is handed to another one.

A reaction may therefore be begun twice. What it does must be the same the second time: a task that it submits takes its
id from the event's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from meetingtasks import failures
from meetingtasks.events.facts.base import Fact
from meetingtasks.events.log import EventLog, event_of_entry, stream_of
from meetingtasks.events.types import Event, canonical
from meetingtasks.states import ErrorClass

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
#: an event whose worker said nothing for so long is handed to another one, and a failed one is tried again
TAKE_OVER_MS: Final = 30_000
#: after so many tries a reaction is given up, and an error in the log says so
MAX_TRIES: Final = 5
Reaction = Callable[[Event], object]


@dataclass(frozen=True)
class _Entry:
    channel: str
    id: str
    fields: Mapping[str, str]


class Reactor:
    """Runs a service's reactions. ``worker`` is the name of this one among the service's workers."""

    def __init__(
        self,
        events: EventLog,
        service: str,
        reactions: Mapping[type[Fact], Sequence[Reaction]],
        *,
        worker: str,
        take_over_ms: int = TAKE_OVER_MS,
    ) -> None:
        self._log = events
        self._group = f"reactions:{service}"
        self._worker = worker
        self._take_over_ms = take_over_ms
        self._reactions = {fact.type: tuple(functions) for fact, functions in reactions.items()}
        self._channels = sorted({fact.channel for fact in reactions})
        self._has_groups = False

    def prepare(self) -> None:
        """Let the service miss nothing from now on. A service that was here before goes on where it stood."""
        self._make_groups("$")

    def run_once(self, *, wait_ms: int = 1000) -> int:
        """React to what is there, waiting at most so long for the first event; returns to how many. RedisError."""
        if not self._has_groups:
            self.prepare()
        try:
            entries = [*self._left_behind(), *self._fresh(wait_ms)]
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            log.warning("the server has lost the log of events; what is in it now is read", extra={"why": str(error)})
            self._make_groups("0")
            return 0
        for entry in entries:
            self._react(entry)
        return len(entries)

    def _make_groups(self, begin: str) -> None:
        for channel in self._channels:
            try:
                self._log.client.xgroup_create(stream_of(channel), self._group, id=begin, mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):  # it is there: made by another worker, or at an earlier time
                    raise
        self._has_groups = True

    def _fresh(self, wait_ms: int) -> Iterable[_Entry]:
        streams = {stream_of(channel): ">" for channel in self._channels}
        found: Any = self._log.client.xreadgroup(self._group, self._worker, streams, count=AT_ONCE, block=wait_ms)
        channels = {stream_of(channel): channel for channel in self._channels}
        pages = found.items() if isinstance(found, dict) else found or []
        for key, entries in pages:
            # with RESP3 the entries of a stream come inside one more list
            flat = entries[0] if entries and isinstance(entries[0], list) else entries
            yield from (_Entry(channels[key], entry_id, fields) for entry_id, fields in flat)

    def _left_behind(self) -> Iterable[_Entry]:
        """Take over what a worker has not finished in time, this one included."""
        for channel in self._channels:
            answer = self._log.client.xautoclaim(
                stream_of(channel), self._group, self._worker, self._take_over_ms, count=AT_ONCE
            )
            for entry_id, fields in answer[1]:
                yield _Entry(channel, entry_id, fields)

    def _react(self, entry: _Entry) -> None:
        event = self._read(entry)
        about = {"event_id": entry.id, "event_type": entry.fields.get("event", "")}
        try:
            if event is not None:
                for reaction in self._reactions.get(canonical(event.type), ()):
                    reaction(event)
        except RedisError:
            raise  # the server is away; the event stays this worker's
        except Exception as error:
            if failures.classify(error) is not ErrorClass.BUSINESS and self._tries(entry) < MAX_TRIES:
                log.warning("a reaction failed and is tried again", exc_info=True, extra=about)
                return
            log.exception("a reaction is given up", extra=about)
        self._log.client.xack(stream_of(entry.channel), self._group, entry.id)

    @staticmethod
    def _read(entry: _Entry) -> Event | None:
        try:
            return event_of_entry(entry.id, entry.fields)
        except (ValueError, KeyError):
            log.exception("an entry of the log is no event and is left out", extra={"event_id": entry.id})
            return None

    def _tries(self, entry: _Entry) -> int:
        pending = self._log.client.xpending_range(stream_of(entry.channel), self._group, entry.id, entry.id, 1)
        return int(pending[0]["times_delivered"]) if pending else MAX_TRIES
