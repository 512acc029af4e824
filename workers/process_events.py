"""Events of a worker process: a bus of its own inside it, also after a fork, and the way to tell the whole fleet."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from meetingtasks.errors import MeetingTasksError
from meetingtasks.events import Event, Fact, LocalEventBus, reporter
from meetingtasks.events.log import EventLog, Outgoing
from meetingtasks.events.types import event_of
from meetingtasks.settings import current
from meetingtasks.store.client import connect

log = logging.getLogger(__name__)


def local_bus() -> LocalEventBus:
    """Return this process's running bus; engines' comings and goings are told to the fleet by it."""
    return _bus(os.getpid())


def report(event_type: str, payload: Mapping[str, Any]) -> None:
    """Tell an event to this process's bus; it never fails."""
    reporter(local_bus(), "worker")(event_type, payload)


def event_log() -> EventLog:
    """Return the fleet's log of events."""
    settings = current()
    return EventLog(connect(settings.effective_store_url), task_events_kept=settings.event_stream_length)


def tell(fact: Fact, *, once: str | None = None) -> str | None:
    """Tell the fleet of a fact and return the event's id. ``once``: the occasion, of which it is told one time only.

    An event is a hint and the record is the truth, so one that cannot be told is logged and fails nothing: None.
    """
    try:
        return event_log().publish([Outgoing.of(fact.channel, event_of(fact, source="worker"), once)])[0]
    except (RedisError, MeetingTasksError) as error:
        log.warning("an event was not told", extra={"event_type": fact.type, "why": str(error)})
        return None


@functools.cache
def _bus(pid: int) -> LocalEventBus:
    del pid  # a child made by fork has none of its parent's threads
    bus = LocalEventBus()
    bus.on("model_loaded", _tell_of_engine)
    bus.on("model_unloaded", _tell_of_engine)
    bus.start()
    return bus


def _tell_of_engine(event: Event) -> None:
    about = {name: event.payload.get(name) for name in ("engine", "model", "device", "load_ms", "memory_bytes")}
    log.info("an engine was loaded or unloaded", extra={"event": event.type, **about})
    if event.fact is not None:
        tell(event.fact)
