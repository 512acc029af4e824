"""The sender: takes events without ever waiting, and publishes them from a thread of its own, in order.

While the server is away the events wait here, up to a bound; each carries its mark, so one whose publication got no
answer is published again and is still one event.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from itertools import islice
from typing import Final

from redis.exceptions import RedisError

from meetingtasks.clock import SYSTEM
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.lanes import DROP_LOG_INTERVAL_S
from meetingtasks.events.log import EventLog, Outgoing, Place

log = logging.getLogger(__name__)

AT_ONCE: Final = 100
RETRY_S: Final = 0.2


class Sender:
    """Publishes what it was given; at most ``buffer_size`` events wait."""

    def __init__(self, events: EventLog, buffer_size: int) -> None:
        self._log = events
        self._buffer_size = buffer_size
        self._waiting: deque[Outgoing] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._give_up_s = float("inf")
        self._thread: threading.Thread | None = None
        self._logged_s = -DROP_LOG_INTERVAL_S
        self.accepted = self.sent = self.dropped = 0
        #: channel -> place of the last event that was sent from here
        self.last: dict[str, Place] = {}

    def put(self, event: Outgoing) -> None:
        """Take an event, without waiting; EventBufferFull or BusStopped when it is not taken."""
        with self._changed:
            if self._is_stopping:
                raise BusStopped(f"the bus was stopped; {event.type} was not accepted", type=event.type)
            if len(self._waiting) < self._buffer_size:
                self._waiting.append(event)
                self.accepted += 1
                self._changed.notify_all()
                return
            self.dropped += 1
            dropped = self.dropped
        self._log_drops()
        raise EventBufferFull(
            f"{self._buffer_size} events wait already; {event.type} was dropped",
            type=event.type,
            buffer_size=self._buffer_size,
            total_dropped=dropped,
        )

    def start(self) -> None:
        """Begin to publish; what was taken before goes first."""
        with self._changed:
            self._is_stopping = False
            self._give_up_s = float("inf")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="redis-events-sender", daemon=True)
                self._thread.start()

    def stop(self, within_s: float) -> None:
        """Take no more, publish what was taken, then end; what is left after ``within_s`` is dropped and counted."""
        with self._changed:
            self._is_stopping = True
            self._give_up_s = SYSTEM.monotonic_s() + within_s
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._changed:
            left = len(self._waiting)
            self._waiting.clear()
            self.dropped += left
        if left:
            log.error("events could not be published before the stop and are dropped", extra={"dropped": left})

    def _run(self) -> None:
        while self._wait_for_work():
            with self._changed:
                batch = list(islice(self._waiting, AT_ONCE))
            try:
                ids = self._log.publish(batch)
            except RedisError as error:
                log.warning("events could not be published and wait", extra={"why": str(error)})
                self._pause()
                continue
            with self._changed:
                for event, event_id in zip(batch, ids, strict=True):
                    self._waiting.popleft()
                    self.last[event.channel] = Place.read(event_id)
                    self.sent += 1

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping)
            return bool(self._waiting) and SYSTEM.monotonic_s() < self._give_up_s

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, RETRY_S)

    def _log_drops(self) -> None:
        now_s = SYSTEM.monotonic_s()
        if now_s - self._logged_s < DROP_LOG_INTERVAL_S:
            return
        self._logged_s = now_s
        log.warning(
            "events were dropped because the buffer is full; later ones go through when the server answers",
            extra={"total_dropped": self.dropped, "buffer_size": self._buffer_size},
        )
