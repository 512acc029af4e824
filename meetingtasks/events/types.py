"""An event: one thing that happened, in the envelope that every bus, channel and log shares.

The names of event types are dotted, ``meeting.user_joined``. Earlier systems used other spellings; each is accepted as
an alias wherever a type is named, so a handler of one spelling hears the other. An event keeps the spelling it was
emitted with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from pydantic import ValidationError

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.events.facts import ALIASES, FACTS
from meetingtasks.events.facts.base import Fact

VERSION: Final = 1

_KEYS: Final = ("meeting_id", "task_id", "trace_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``timestamp`` is in seconds and ``ts_ms`` in milliseconds since 1970, UTC.

    One that is yet to be published may go without times and ``message_id``: the publishing gives it both.
    """

    type: str
    payload: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    timestamp: float = 0.0
    message_id: str = ""
    ts_ms: int = 0
    v: int = field(default=VERSION)
    meeting_id: int | str | None = None
    task_id: str | None = None
    trace_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the envelope as JSON-ready values; ids that are not known are left out."""
        envelope: dict[str, Any] = {
            "type": self.type,
            "payload": self.payload,
            "source": self.source,
            "timestamp": self.timestamp,
            "message_id": self.message_id,
            "ts_ms": self.ts_ms,
            "v": self.v,
        }
        return envelope | {name: value for name in _KEYS if (value := getattr(self, name)) is not None}

    def to_json(self) -> str:
        """Return the envelope as JSON text; TypeError when the payload is not JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Event:
        """Read an envelope; ValueError when it is none. Fields of later versions are ignored."""
        envelope = json.loads(text)
        if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
            raise ValueError("an event is a JSON object with a type")  # noqa: TRY004 - one error for every bad text
        payload = {} if envelope.get("payload") is None else envelope["payload"]
        if not isinstance(payload, dict):
            raise ValueError("an event's payload is a JSON object")  # noqa: TRY004 - one error for every bad text
        timestamp = float(envelope.get("timestamp") or 0)
        return cls(
            type=envelope["type"],
            payload=payload,
            source=str(envelope.get("source") or ""),
            timestamp=timestamp,
            message_id=str(envelope.get("message_id") or ""),
            ts_ms=int(envelope.get("ts_ms") or timestamp * 1000),
            v=int(envelope.get("v") or VERSION),
            **{name: envelope.get(name) for name in _KEYS},
        )

    @property
    def fact(self) -> Fact | None:
        """The event as an instance of its type's class; None for a type or a payload that the platform does not know.

        >>> Event(type="user_joined", payload={"user_id": 123, "meeting_id": 456}).fact
        MeetingUserJoined(meeting_id=456, user_id=123, username=None)
        """
        known = FACTS.get(canonical(self.type))
        if known is None:
            return None
        ids = {name: value for name in _KEYS if (value := getattr(self, name)) is not None}
        try:
            return known.model_validate(ids | self.payload)
        except ValidationError:
            return None


def canonical(event_type: str) -> str:
    """Return the name of a type for any accepted spelling; a type that is not in the table is its own name."""
    return ALIASES.get(event_type, event_type)


def event_of(what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "") -> Event:
    """Return what happens now as an event: a fact, or a type with its payload."""
    if isinstance(what, Fact):
        return new_event(what.type, what.payload(), source)
    return new_event(what, payload, source)


def new_event(
    event_type: str,
    payload: Mapping[str, Any] | None = None,
    source: str = "",
    *,
    clock: Clock = SYSTEM,
    **about: Any,
) -> Event:
    """Return an event that happens now.

    ``about`` takes ``meeting_id``, ``task_id`` and ``trace_id``; one that is not given is taken from the payload. The
    payload is copied, so that what its owner changes later does not change what happened.
    """
    if not event_type:
        raise ValueError("an event needs a type")
    data = dict(payload or {})
    now_ms = clock.now_ms()
    keys: dict[str, Any] = {name: data.get(name) for name in _KEYS} | about
    return Event(
        type=event_type,
        payload=data,
        source=source,
        timestamp=now_ms / 1000,
        message_id=uuid4().hex,
        ts_ms=now_ms,
        **keys,
    )
