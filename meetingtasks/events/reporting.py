"""Lets parts that must not fail for an event's sake, such as the engines, report what happens to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from meetingtasks.events.bus import EventBus
from meetingtasks.events.errors import BusStopped, EventBufferFull

log = logging.getLogger(__name__)


def reporter(bus: EventBus, source: str) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a function ``(event_type, payload)`` that emits to ``bus``; an event that it does not take is logged."""

    def report(event_type: str, payload: Mapping[str, Any]) -> None:
        try:
            bus.emit(event_type, payload, source)
        except (EventBufferFull, BusStopped) as refused:
            log.warning("an event was not told", extra={"event_type": event_type, "why": refused.message})

    return report
