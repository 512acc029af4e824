"""Events: what happened, told to those who registered for it, in this process or, by the same interface, in others."""

from meetingtasks.events.bus import EventBus, Handler
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.facts import CHANNELS, FACTS, Fact
from meetingtasks.events.listening import Gap
from meetingtasks.events.local import LocalEventBus
from meetingtasks.events.redis import PubSubMessage, RedisPubSubQueue, channel_of
from meetingtasks.events.reporting import reporter
from meetingtasks.events.types import Event, canonical, new_event

__all__ = [
    "CHANNELS",
    "FACTS",
    "BusStopped",
    "Event",
    "EventBufferFull",
    "EventBus",
    "Fact",
    "Gap",
    "Handler",
    "LocalEventBus",
    "PubSubMessage",
    "RedisPubSubQueue",
    "canonical",
    "channel_of",
    "new_event",
    "reporter",
]
