"""The events inside one worker process: each process has a bus of its own, also after a fork."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from typing import Any

from meetingtasks.events import Event, LocalEventBus, reporter

log = logging.getLogger(__name__)


def local_bus() -> LocalEventBus:
    """Return this process's running bus; engines' comings and goings are logged by it."""
    return _bus(os.getpid())


def report(event_type: str, payload: Mapping[str, Any]) -> None:
    """Tell an event to this process's bus; it never fails."""
    reporter(local_bus(), "worker")(event_type, payload)


@functools.cache
def _bus(pid: int) -> LocalEventBus:
    del pid  # a child made by fork has none of its parent's threads
    bus = LocalEventBus()
    bus.on("model_loaded", _log_engine)
    bus.on("model_unloaded", _log_engine)
    bus.start()
    return bus


def _log_engine(event: Event) -> None:
    about = {name: event.payload.get(name) for name in ("engine", "model", "device", "load_ms", "memory_bytes")}
    log.info("an engine was loaded or unloaded", extra={"event": event.type, **about})
