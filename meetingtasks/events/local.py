"""The event bus inside one process: a bounded buffer, a few threads, and a lane for each handler.

A lane hands its handler one event at a time, so a handler never meets its own events out of order or twice at once,
while a slow handler holds up nobody but itself. An event takes a place in the buffer until each of its handlers has
begun with it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meetingtasks.clock import SYSTEM
from meetingtasks.events.bus import Handler
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.types import Event, canonical, new_event
from meetingtasks.states import Priority

log = logging.getLogger(__name__)

#: dropped events are told in one log line per this time
DROP_LOG_INTERVAL_S: Final = 1.0
_NORMAL: Final = Priority.NORMAL.level


@dataclass(eq=False, slots=True)
class _Accepted:
    """An event in the bus, and how many handlers have not begun, or not ended, with it."""

    event: Event
    unbegun: int
    unended: int


@dataclass(eq=False, slots=True)
class _Lane:
    """One handler of one type, and what waits for it, by priority and then age."""

    handler: Handler
    waiting: list[tuple[int, int, _Accepted]] = field(default_factory=list)
    is_busy: bool = False


class LocalEventBus:
    """Hands events to handlers in this process, over ``workers`` threads; safe to use from any thread.

    ``buffer_size`` is the number of events that may wait at once.
    """

    def __init__(self, buffer_size: int = 1000, workers: int = 4) -> None:
        if buffer_size < 1 or workers < 1:
            raise ValueError(f"buffer_size and workers must be 1 or more, not {buffer_size} and {workers}")
        self._buffer_size = buffer_size
        self._workers = workers
        self._lanes: dict[str, list[_Lane]] = {}
        self._tickets: list[tuple[int, int, _Lane]] = []  # lanes with something to do; some are stale
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._life = threading.RLock()  # one start or stop at a time
        self._threads: list[threading.Thread] = []
        self._is_stopping = False
        self._buffered = 0
        self._emitted = self._processed = self._dropped = self._errors = 0
        self._dropped_unlogged = 0
        self._logged_s = -DROP_LOG_INTERVAL_S

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to call handlers; does nothing when it has begun."""
        if threading.current_thread() in self._threads:
            return
        with self._life:
            if self._threads and not self._is_stopping:
                return
            self._join()
            self._is_stopping = False
            self._threads = [
                threading.Thread(target=self._work, name=f"local-events-{number}", daemon=True)
                for number in range(self._workers)
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Accept no more, hand over what was accepted, then end. From inside a handler it returns at once."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if threading.current_thread() in self._threads:
            return
        with self._life:
            if not self._threads:
                self._work()  # never started: what was accepted is handed over here
            self._join()
        self._log_drops(at_once=True)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        self._threads = []

    # -- handlers ---------------------------------------------------------------------------------------------------

    def on(self, event_type: str, handler: Handler) -> None:
        """Call ``handler(event)`` for every event of a type from now on; see `EventBus`."""
        with self._changed:
            lanes = self._lanes.setdefault(canonical(event_type), [])
            if all(lane.handler != handler for lane in lanes):
                lanes.append(_Lane(handler))

    def off(self, event_type: str, handler: Handler | None = None) -> int:
        """Stop calling a handler, or all of a type; what waits for it is dropped, a call that has begun goes on."""
        name = canonical(event_type)
        with self._changed:
            lanes = self._lanes.get(name, [])
            gone = [lane for lane in lanes if handler is None or lane.handler == handler]
            left = [lane for lane in lanes if lane not in gone]
            if left:
                self._lanes[name] = left
            else:
                self._lanes.pop(name, None)
            for lane in gone:
                waiting, lane.waiting = lane.waiting, []
                for _, _, accepted in waiting:
                    self._begin(accepted)
                    self._end(accepted)
        return len(gone)

    # -- emitting ---------------------------------------------------------------------------------------------------

    def emit(self, event_type: str, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Tell that something happened; never waits. See `EventBus`."""
        return self._emit(new_event(event_type, payload, source), _NORMAL)

    def emit_with_priority(
        self, event_type: str, payload: Mapping[str, Any] | None = None, source: str = "", *, priority: Priority | str
    ) -> bool:
        """Tell it ahead of everything less urgent that waits; equal ones keep their order."""
        return self._emit(new_event(event_type, payload, source), Priority(priority).level)

    def emit_sync(self, event_type: str, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Call the handlers here and now, in the order of their registration; False when one of them failed.

        It overtakes what waits in the buffer, and works on a bus that was not started or has stopped.
        """
        event = new_event(event_type, payload, source)
        with self._changed:
            handlers = [lane.handler for lane in self._lanes.get(canonical(event_type), [])]
            self._emitted += 1
        succeeded = [self._call(handler, event) for handler in handlers]
        with self._changed:
            self._processed += 1
        return all(succeeded)

    def _emit(self, event: Event, level: int) -> bool:
        with self._changed:
            if self._is_stopping:
                raise BusStopped(f"the bus was stopped; {event.type} was not accepted", type=event.type)
            lanes = self._lanes.get(canonical(event.type))
            if not lanes:
                self._emitted += 1
                self._processed += 1
                return True
            if self._buffered < self._buffer_size:
                self._emitted += 1
                self._accept(event, level, lanes)
                return True
            self._dropped += 1
            self._dropped_unlogged += 1
            dropped = self._dropped
        self._log_drops()
        raise EventBufferFull(
            f"{self._buffer_size} events wait already; {event.type} was dropped",
            type=event.type,
            buffer_size=self._buffer_size,
            total_dropped=dropped,
        )

    def _accept(self, event: Event, level: int, lanes: list[_Lane]) -> None:
        accepted = _Accepted(event, len(lanes), len(lanes))
        self._buffered += 1
        for lane in lanes:
            number = next(self._numbers)
            heapq.heappush(lane.waiting, (level, number, accepted))
            if not lane.is_busy:
                self._give_ticket(lane)

    # -- calling ----------------------------------------------------------------------------------------------------

    def _give_ticket(self, lane: _Lane) -> None:
        level, number, _ = lane.waiting[0]
        heapq.heappush(self._tickets, (level, number, lane))
        self._changed.notify()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            lane, accepted = taken
            self._call(lane.handler, accepted.event)
            with self._changed:
                lane.is_busy = False
                if lane.waiting:
                    self._give_ticket(lane)
                self._end(accepted)

    def _take(self) -> tuple[_Lane, _Accepted] | None:
        """Wait for something to do; None when the bus stops and nothing is left but what others are at."""
        with self._changed:
            while True:
                while self._tickets:
                    _, _, lane = heapq.heappop(self._tickets)
                    if lane.is_busy or not lane.waiting:
                        continue
                    _, _, accepted = heapq.heappop(lane.waiting)
                    lane.is_busy = True
                    self._begin(accepted)
                    return lane, accepted
                if self._is_stopping:
                    return None  # a lane that is busy is emptied by the thread that is at it
                self._changed.wait()

    def _begin(self, accepted: _Accepted) -> None:
        accepted.unbegun -= 1
        if not accepted.unbegun:
            self._buffered -= 1

    def _end(self, accepted: _Accepted) -> None:
        accepted.unended -= 1
        if not accepted.unended:
            self._processed += 1

    def _call(self, handler: Handler, event: Event) -> bool:
        try:
            handler(event)
        except BaseException:  # a handler that raises SystemExit must not take a thread of the bus with it
            log.exception("an event handler failed; the others are not affected", extra={"event_type": event.type})
            with self._changed:
                self._errors += 1
            return False
        return True

    # -- looking ----------------------------------------------------------------------------------------------------

    def get_stats(self) -> dict[str, int]:
        """Return the counts since this bus was made, and for ``event_type_count`` how many types have handlers."""
        with self._changed:
            return {
                "total_emitted": self._emitted,
                "total_processed": self._processed,
                "event_type_count": len(self._lanes),
                "total_dropped": self._dropped,
                "handler_errors": self._errors,
            }

    def _log_drops(self, *, at_once: bool = False) -> None:
        with self._changed:
            now_s = SYSTEM.monotonic_s()
            dropped, total = self._dropped_unlogged, self._dropped
            if not dropped or (now_s - self._logged_s < DROP_LOG_INTERVAL_S and not at_once):
                return
            self._dropped_unlogged = 0
            self._logged_s = now_s
        log.warning(
            "events were dropped because the buffer is full; later ones go through when handlers catch up",
            extra={"dropped": dropped, "total_dropped": total, "buffer_size": self._buffer_size},
        )
