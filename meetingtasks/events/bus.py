"""What every event bus can do, so that its users need not know whether it ends at this process's border."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from meetingtasks.events.facts.base import Fact
from meetingtasks.events.types import Event

Handler = Callable[[Event], object]


class EventBus(Protocol):
    """Carries events from those who emit them to the handlers of their type."""

    def on(self, event_type: str, handler: Handler) -> None:
        """Call ``handler(event)`` for every event of a type (or an alias of it) from now on.

        A handler gets the events of one type one at a time, in the order in which they were emitted. Registering the
        same handler again changes nothing.
        """
        ...

    def off(self, event_type: str, handler: Handler | None = None) -> int:
        """Stop calling a handler, or all of a type; returns how many were registered. No call begins after that."""
        ...

    def emit(self, what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Tell that something happened, without waiting for anybody; True when the bus has taken it.

        ``what`` is a fact, or a type to which ``payload`` belongs.

        Raises EventBufferFull when it has no room (the event is dropped and counted), BusStopped after `stop`.
        """
        ...

    def start(self) -> None:
        """Begin to call handlers; what was emitted before is handed over now. May be called twice."""
        ...

    def stop(self) -> None:
        """Hand over what was accepted, then end; may be called twice, and `start` begins anew."""
        ...

    def get_stats(self) -> dict[str, int]:
        """Return at least total_emitted, total_processed, event_type_count, total_dropped and handler_errors."""
        ...
