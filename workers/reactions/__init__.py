"""Reactions: what the services do because something happened elsewhere. `react` starts a service's with its worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from redis.exceptions import RedisError

from meetingtasks.events.facts.base import Fact
from meetingtasks.events.facts.system import ServiceStarted, ServiceStopping
from meetingtasks.events.reactor import Reaction, Reactor
from meetingtasks.task import Service
from workers.process_events import event_log, tell
from workers.upkeep import run_while_working

log = logging.getLogger(__name__)

#: pause between two looks; each look waits for events by itself
EVERY_S = 0.05


class Reactions:
    """The reactions of one service in one of its workers."""

    def __init__(self, service: str, reactions: Mapping[type[Fact], Sequence[Reaction]]) -> None:
        self._service = service
        self._reactions = reactions
        self._worker: str | None = None
        self._reactor: Reactor | None = None

    def begin(self, worker: str) -> None:
        """Say that the service is there, and miss no event from now on."""
        self._worker = worker
        self._reactor = Reactor(event_log(), self._service, self._reactions, worker=worker)
        tell(ServiceStarted(service=self._service, host=worker))
        try:
            self._reactor.prepare()
        except RedisError as error:
            log.warning("the service hears no events yet and tries again", extra={"why": str(error)})

    def run_once(self) -> None:
        """React to what is there."""
        if self._reactor is not None:
            self._reactor.run_once()

    def end(self) -> None:
        """Say that this worker has stopped taking tasks."""
        if self._worker is not None:
            tell(ServiceStopping(service=self._service, host=self._worker))


def react(service: Service, reactions: Mapping[type[Fact], Sequence[Reaction]]) -> None:
    """Run these reactions while a worker of the service works."""
    mine = Reactions(service.name, reactions)

    def begin(sender: Any, **_: Any) -> None:
        if sender.app is service.app:
            mine.begin(str(sender.hostname))

    def end(sender: Any, **_: Any) -> None:
        if sender.app is service.app:
            mine.end()

    worker_ready.connect(begin, weak=False)
    worker_shutdown.connect(end, weak=False)  # the signal before it comes inside a signal handler: no place for a call
    if reactions:
        run_while_working(service.app, mine, every_s=EVERY_S)
