"""The log of events: each channel's stream, where an event's id is its place, so that what was missed can be read.

Publishing is one script: the event is kept and told to present listeners, or neither. A publication whose reply was
lost may be repeated under its mark and is still one event. Tasks' own changes are kept by the store's scripts in the
store's stream; here they are read as events of the channel ``task_events``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from meetingtasks.errors import InvalidPayload, PayloadTooLarge
from meetingtasks.events.types import Event
from meetingtasks.failures import readable
from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.scripts import Value, load

#: a repeated publication is recognised for this long; a mark of the caller's own as long as the event is kept
MARK_S: Final = 60
OWN_MARK_S: Final = 24 * 3600
#: an event tells that something happened; what it is about belongs into a record or a file
MAX_BYTES: Final = 256 * 1024
PLACE: Final = re.compile(r"\d{1,16}-\d{1,10}")
TASKS: Final = "task_events"
PAGE: Final = 1000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An event's place in its stream: milliseconds since 1970 by the server's clock, and a number within them."""

    ms: int
    number: int

    @classmethod
    def read(cls, text: str) -> Place:
        """Read ``1700000000000-0`` or ``1700000000000``; ValueError when it is neither."""
        ms, _, number = text.partition("-")
        return cls(int(ms), int(number or "0"))

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a channel's stream holds now, and how much it ever held."""

    last: Place
    length: int
    ever: int

    @property
    def gone(self) -> int:
        """How many events are no longer there."""
        return self.ever - self.length


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way to the log, under the mark by which a repeated publication is known."""

    channel: str
    type: str
    task_id: str
    text: str  # the envelope as JSON, without what the server adds
    mark: str
    mark_s: int

    @classmethod
    def of(cls, channel: str, event: Event, once: str | None = None) -> Outgoing:
        """Read an event; InvalidPayload or PayloadTooLarge. ``once``: a mark of the caller's own."""
        envelope = event.as_dict()
        for name in ("message_id", "ts_ms", "timestamp"):
            del envelope[name]
        try:
            text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            size_bytes = len(text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            problem = readable(str(error))
            raise InvalidPayload(f"the payload of {event.type} is no JSON: {problem}", fields=[]) from error
        if size_bytes > MAX_BYTES:
            message = f"{event.type} has {size_bytes} bytes, above {MAX_BYTES}; send a reference"
            raise PayloadTooLarge(message, size_bytes=size_bytes, limit_bytes=MAX_BYTES)
        mark, mark_s = (uuid4().hex, MARK_S) if once is None else (f"{channel}:{once}", OWN_MARK_S)
        return cls(channel, event.type, event.task_id or "", text, mark, mark_s)


NOTHING: Final = Extent(Place(0, 0), 0, 0)


class EventLog:
    """The channels' streams on one server."""

    def __init__(self, client: Client, *, kept: int = keys.KEPT_EVENTS, task_events_kept: int = 100_000) -> None:
        self.client = client
        self._kept = kept
        self._task_events_kept = task_events_kept

    def publish(self, events: Sequence[Outgoing]) -> list[str]:
        """Publish events in one transaction; returns their ids. A mark that was used before gives that event's id."""
        script = load("publish")
        if len(events) == 1:
            return [str(script(self.client, *self._call(events[0])))]
        if not events:
            return []
        pipe = self.client.pipeline(transaction=True)
        pipe.script_load(script.source)
        for event in events:
            script.put_on(pipe, *self._call(event))
        return [str(event_id) for event_id in pipe.execute()[1:]]

    def _call(self, event: Outgoing) -> tuple[list[str], list[Value]]:
        script_keys = [stream_of(event.channel), keys.event_mark(event.mark)]
        by_number_alone = event.channel == TASKS  # the store caps its stream so, and both are one
        kept: list[Value] = [self._task_events_kept, ""] if by_number_alone else [self._kept, keys.KEPT_EVENTS_MS]
        return script_keys, [event.channel, event.type, event.task_id, event.text, *kept, event.mark_s]

    def extent(self, channel: str) -> Extent:
        """Return how much a channel's stream holds."""
        pipe = self.client.pipeline(transaction=True)
        self._ask_extent(pipe, channel)
        return _extent(pipe.execute(raise_on_error=False)[0])

    def catch_up(self, channel: str, after: Place) -> tuple[Extent, list[Event]]:
        """Return the stream's extent and all its events after a place, as they are at one moment."""
        pipe = self.client.pipeline(transaction=True)
        self._ask_extent(pipe, channel)
        pipe.xrange(stream_of(channel), f"({after}", "+")
        extent, entries = pipe.execute(raise_on_error=False)
        if isinstance(entries, Exception):
            raise entries
        return _extent(extent), [event_of_entry(event_id, fields) for event_id, fields in entries]

    def since(self, channel: str, after: str | int | None = None, *, limit: int | None = None) -> Iterator[Event]:
        """Yield the kept events after an id, or from a time in ms since 1970 on, or (None) all, oldest first."""
        begin = "-" if after is None else str(after) if isinstance(after, int) else f"({Place.read(after)}"
        left = limit
        while left is None or left > 0:
            page = self.client.xrange(stream_of(channel), begin, "+", count=min(PAGE, left or PAGE))
            yield from (event_of_entry(event_id, fields) for event_id, fields in page)
            if len(page) < PAGE:
                return
            begin = f"({page[-1][0]}"
            left = None if left is None else left - len(page)

    @staticmethod
    def _ask_extent(pipe: Any, channel: str) -> None:
        pipe.xinfo_stream(stream_of(channel))


def stream_of(channel: str) -> str:
    """Return the key of a channel's stream."""
    return keys.STREAM if channel == TASKS else keys.event_stream(channel)


def event_of_entry(event_id: str, fields: Mapping[str, str]) -> Event:
    """Read an entry of a stream: a published envelope, or a change that the store's scripts told of a task."""
    ms = Place.read(event_id).ms
    times: dict[str, Any] = {"message_id": event_id, "ts_ms": ms, "timestamp": ms / 1000}
    if "envelope" in fields:
        return replace(Event.from_json(fields["envelope"]), **times)
    meeting_id = json.loads(fields["meeting_id"]) if fields.get("meeting_id") else None
    about = {name: value for name, value in fields.items() if name not in ("event", "meeting_id", "type")}
    payload = {
        "task_id": about.pop("task", ""),
        "task_type": fields.get("type", ""),
        **about,
        "attempt": int(fields.get("attempt", "0")),
        "at_ms": int(fields.get("at_ms", ms)),
        **({} if meeting_id is None else {"meeting_id": meeting_id}),
    }
    return Event(
        type=fields["event"] if "." in fields["event"] else f"task.{fields['event']}",
        payload=payload,
        source="store",
        meeting_id=meeting_id,
        task_id=payload["task_id"],
        **times,
    )


def _extent(info: Any) -> Extent:
    """Read XINFO STREAM's answer; a stream that is not there has nothing."""
    if isinstance(info, Exception):
        if "no such key" in str(info):
            return NOTHING
        raise info
    return Extent(Place.read(str(info["last-generated-id"])), int(info["length"]), int(info["entries-added"]))
