"""A lane for each handler: what waits for it, in order, and a few threads that serve all lanes.

A lane hands its handler one event at a time, so a handler never meets its own events out of order or twice at once,
while a slow handler holds up nobody but itself. An event takes a place in the buffer until each of its handlers has
begun with it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from meetingtasks.clock import SYSTEM
from meetingtasks.events.bus import Handler
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.types import Event
from meetingtasks.states import Priority

log = logging.getLogger(__name__)

#: dropped events are told in one log line per this time
DROP_LOG_INTERVAL_S: Final = 1.0
NORMAL: Final = Priority.NORMAL.level


@dataclass(eq=False, slots=True)
class _Accepted:
    """An event that waits, and how many handlers have not begun, or not ended, with it."""

    event: Event
    unbegun: int
    unended: int


@dataclass(eq=False, slots=True)
class _Lane:
    """One handler, and what waits for it, by priority and then age."""

    handler: Handler
    waiting: list[tuple[int, int, _Accepted]] = field(default_factory=list)
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """What became of the events since the lanes were made."""

    accepted: int
    processed: int
    dropped: int
    errors: int


class Lanes:
    """Hands events to the handlers under a key; safe to use from any thread.

    ``buffer_size`` is the number of events that may wait at once, ``workers`` the number of handlers that may be at
    work at once; None: a thread for each, so that none ever waits for another.
    """

    def __init__(self, buffer_size: int, workers: int | None, *, name: str) -> None:
        if buffer_size < 1 or (workers is not None and workers < 1):
            raise ValueError(f"buffer_size and workers must be 1 or more, not {buffer_size} and {workers}")
        self._buffer_size = buffer_size
        self._workers = workers
        self._name = name
        self._lanes: dict[str, list[_Lane]] = {}
        self._tickets: list[tuple[int, int, _Lane]] = []  # lanes with something to do; some are stale
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._life = threading.RLock()  # one start or stop at a time
        self._threads: list[threading.Thread] = []
        self._is_running = False
        self._is_stopping = False
        self._buffered = 0
        self._accepted = self._processed = self._dropped = self._errors = 0
        self._dropped_unlogged = 0
        self._logged_s = -DROP_LOG_INTERVAL_S

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to call handlers; does nothing when it has begun."""
        if self.is_own_thread():
            return
        with self._life:
            if self._threads and not self._is_stopping:
                return
            self._join()
            with self._changed:
                self._is_stopping = False
                self._is_running = True
                self._staff()

    def refuse_more(self) -> None:
        """Accept nothing from now on; what was accepted is still handed over."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Accept no more, hand over what was accepted, then end. From inside a handler it returns at once."""
        self.refuse_more()
        if self.is_own_thread():
            return
        with self._life:
            if not self._threads:
                self._work()  # never started: what was accepted is handed over here
            self._join()
            self._is_running = False
        self._log_drops(at_once=True)

    def is_own_thread(self) -> bool:
        """Tell whether the caller is a handler that is called from here."""
        return threading.current_thread() in self._threads

    def _staff(self) -> None:
        """Start the threads that are missing; called with the lock held."""
        wanted = self._workers or max(1, sum(map(len, self._lanes.values())))
        while self._is_running and not self._is_stopping and len(self._threads) < wanted:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        self._threads = []

    # -- handlers ---------------------------------------------------------------------------------------------------

    def add(self, key: str, handler: Handler) -> bool:
        """Let a handler have the events of a key from now on; False when it has them already."""
        with self._changed:
            lanes = self._lanes.setdefault(key, [])
            if any(lane.handler == handler for lane in lanes):
                return False
            lanes.append(_Lane(handler))
            self._staff()
        return True

    def remove(self, key: str, handler: Handler | None = None) -> int:
        """Take one handler away, or all of a key; what waits for it is dropped, a call that has begun goes on."""
        with self._changed:
            lanes = self._lanes.get(key, [])
            gone = [lane for lane in lanes if handler is None or lane.handler == handler]
            left = [lane for lane in lanes if lane not in gone]
            if left:
                self._lanes[key] = left
            else:
                self._lanes.pop(key, None)
            for lane in gone:
                waiting, lane.waiting = lane.waiting, []
                for _, _, accepted in waiting:
                    self._begin(accepted)
                    self._end(accepted)
        return len(gone)

    def served(self) -> list[str]:
        """Return the keys that have handlers."""
        with self._changed:
            return list(self._lanes)

    # -- events -----------------------------------------------------------------------------------------------------

    def put(self, keys: Collection[str], event: Event, level: int = NORMAL) -> None:
        """Accept an event for all handlers of some keys, without waiting.

        Raises EventBufferFull when there is no room (the event is dropped and counted) and BusStopped after `stop`.
        """
        with self._changed:
            if self._is_stopping:
                raise BusStopped(f"the bus was stopped; {event.type} was not accepted", type=event.type)
            lanes = [lane for key in keys for lane in self._lanes.get(key, ())]
            if not lanes:
                self._accepted += 1
                self._processed += 1
                return
            if self._buffered < self._buffer_size:
                self._accepted += 1
                self._accept(event, level, lanes)
                return
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

    def call_here(self, key: str, event: Event) -> bool:
        """Call the handlers of a key here and now, in the order of their registration; False when one failed."""
        with self._changed:
            handlers = [lane.handler for lane in self._lanes.get(key, [])]
            self._accepted += 1
        succeeded = [self._call(handler, event) for handler in handlers]
        with self._changed:
            self._processed += 1
        return all(succeeded)

    def counts(self) -> LaneCounts:
        """Return the counts since the lanes were made."""
        with self._changed:
            return LaneCounts(self._accepted, self._processed, self._dropped, self._errors)

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
        """Wait for something to do; None when the lanes stop and nothing is left but what others are at."""
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
