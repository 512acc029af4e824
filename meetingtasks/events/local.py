"""The event bus inside one process: a bounded buffer, a few threads, and a lane for each handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meetingtasks.events.bus import Handler
from meetingtasks.events.facts.base import Fact
from meetingtasks.events.lanes import NORMAL, Lanes
from meetingtasks.events.types import Event, canonical, event_of
from meetingtasks.states import Priority


class LocalEventBus:
    """Hands events to handlers in this process, over ``workers`` threads; safe to use from any thread.

    ``buffer_size`` is the number of events that may wait at once.
    """

    def __init__(self, buffer_size: int = 1000, workers: int = 4) -> None:
        self._lanes = Lanes(buffer_size, workers, name="local-events")

    def start(self) -> None:
        """Begin to call handlers; does nothing when it has begun."""
        self._lanes.start()

    def stop(self) -> None:
        """Accept no more, hand over what was accepted, then end. From inside a handler it returns at once."""
        self._lanes.stop()

    def on(self, event_type: str, handler: Handler) -> None:
        """Call ``handler(event)`` for every event of a type from now on; see `EventBus`."""
        self._lanes.add(canonical(event_type), handler)

    def off(self, event_type: str, handler: Handler | None = None) -> int:
        """Stop calling a handler, or all of a type; what waits for it is dropped, a call that has begun goes on."""
        return self._lanes.remove(canonical(event_type), handler)

    def emit(self, what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Tell that something happened; never waits. See `EventBus`."""
        self._put(event_of(what, payload, source), NORMAL)
        return True

    def emit_with_priority(
        self, what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "", *, priority: Priority | str
    ) -> bool:
        """Tell it ahead of everything less urgent that waits; equal ones keep their order."""
        self._put(event_of(what, payload, source), Priority(priority).level)
        return True

    def emit_sync(self, what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Call the handlers here and now, in the order of their registration; False when one of them failed.

        It overtakes what waits in the buffer, and works on a bus that was not started or has stopped.
        """
        event = event_of(what, payload, source)
        return self._lanes.call_here(canonical(event.type), event)

    def _put(self, event: Event, level: int) -> None:
        self._lanes.put((canonical(event.type),), event, level)

    def get_stats(self) -> dict[str, int]:
        """Return the counts since this bus was made, and for ``event_type_count`` how many types have handlers."""
        counts = self._lanes.counts()
        return {
            "total_emitted": counts.accepted,
            "total_processed": counts.processed,
            "event_type_count": len(self._lanes.served()),
            "total_dropped": counts.dropped,
            "handler_errors": counts.errors,
        }
