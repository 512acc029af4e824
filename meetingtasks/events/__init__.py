"""Events: what happened, told to those who registered for it, in this process or, by the same interface, in others."""

from meetingtasks.events.bus import EventBus, Handler
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.local import LocalEventBus
from meetingtasks.events.reporting import reporter
from meetingtasks.events.types import Event, canonical, new_event

__all__ = [
    "BusStopped",
    "Event",
    "EventBufferFull",
    "EventBus",
    "Handler",
    "LocalEventBus",
    "canonical",
    "new_event",
    "reporter",
]
