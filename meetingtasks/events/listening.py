"""The listener: one connection that follows any number of channels, and reads up in the log what it missed.

Every subscription that the server confirms, the first as well as one after a lost connection, is followed by a look
into the log: what was published in between is handed on, in order and once, and what the log no longer has is reported
as a gap. What arrives by both ways is told apart by its place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError

from meetingtasks.clock import SYSTEM
from meetingtasks.events.log import PLACE, EventLog, Place
from meetingtasks.events.types import Event

log = logging.getLogger(__name__)

POLL_S: Final = 0.05  # how soon a new subscription is made, and a stop is noticed
IDLE_S: Final = 1.0
RETRY_S: Final = 0.2
#: a connection that was silent for so long is asked for a sign of life, and left when none comes
PING_AFTER_S: Final = 5.0
LEAVE_AFTER_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Events that this subscriber has missed for good."""

    channel: str
    after: str  # id of the last event before the gap
    missed: int | None  # how many; None: the server has lost its log, so nobody knows


@dataclass(slots=True)
class _Position:
    """The last event that was handed on, and how many the log had ever held by then."""

    place: Place
    ever: int


class Listener:
    """Hands on the events of the followed channels, from a thread of its own. A channel's events come in order."""

    def __init__(
        self, events: EventLog, *, on_event: Callable[[str, Event], None], on_gap: Callable[[Gap], None]
    ) -> None:
        self._log = events
        self._on_event = on_event
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._heard: dict[str, _Position] = {}  # channels whose subscription stands or stood
        self._changed = threading.Condition()
        self._is_dirty = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; events are handed on from the moment at which a channel's subscription stands."""
        if self._thread is None:
            self._stopping.clear()
            self._is_dirty = True
            self._thread = threading.Thread(target=self._run, name="redis-events", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, and forget what was heard: a later start begins anew."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
        self._heard.clear()

    def follow(self, channels: Iterable[str]) -> None:
        """Follow these channels and no others."""
        with self._changed:
            self._wanted = set(channels)
            self._is_dirty = True
            self._changed.notify_all()

    def wait_heard(self, within_s: float) -> bool:
        """Wait until nothing of the followed channels is missed any more; False after ``within_s``."""
        return self._wait(lambda: self._wanted <= self._heard.keys(), within_s)

    def wait_past(self, places: Mapping[str, Place], within_s: float) -> bool:
        """Wait until all up to some places was handed on, in the channels that are followed."""

        def is_past() -> bool:
            return all(self._heard[c].place >= place for c, place in places.items() if c in self._heard)

        return self._wait(is_past, within_s)

    def _wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        if threading.current_thread() is self._thread:
            return condition()
        with self._changed:
            return self._changed.wait_for(lambda: condition() or self._stopping.is_set(), within_s)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            pubsub = self._log.client.pubsub()
            try:
                self._listen(pubsub)
            except RedisError as error:
                log.warning("the event bus lost its connection and tries again", extra={"why": str(error)})
                self._stopping.wait(RETRY_S)
            except Exception:
                # whatever one answer held, the handlers still wait for this thread
                log.exception("the event bus failed to listen and tries again")
                self._stopping.wait(IDLE_S)
            finally:
                pubsub.close()

    def _listen(self, pubsub: Any) -> None:
        subscribed: set[str] = set()
        heard_s = asked_s = SYSTEM.monotonic_s()
        while not self._stopping.is_set():
            self._adjust(pubsub, subscribed)
            if not subscribed:
                with self._changed:
                    self._changed.wait_for(lambda: self._is_dirty or self._stopping.is_set(), IDLE_S)
                heard_s = SYSTEM.monotonic_s()
                continue
            message = pubsub.get_message(timeout=POLL_S)
            now_s = SYSTEM.monotonic_s()
            if message is not None:
                heard_s = now_s
                self._take(message)
            elif now_s - heard_s > LEAVE_AFTER_S:
                raise RedisError(f"the server was silent for {LEAVE_AFTER_S:g} s")
            elif now_s - max(heard_s, asked_s) > PING_AFTER_S:
                asked_s = now_s
                pubsub.ping()

    def _adjust(self, pubsub: Any, subscribed: set[str]) -> None:
        with self._changed:
            if not self._is_dirty and subscribed:
                return
            self._is_dirty = False
            wanted = set(self._wanted)
            for channel in self._heard.keys() - wanted:
                del self._heard[channel]
        fresh, stale = wanted - subscribed, subscribed - wanted
        if stale:
            pubsub.unsubscribe(*stale)
        if fresh:
            pubsub.subscribe(*fresh)
        subscribed -= stale
        subscribed |= fresh

    def _take(self, message: Mapping[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "subscribe":
            self._catch_up(channel)
        elif message["type"] == "message":
            self._hear(channel, message["data"])

    def _hear(self, channel: str, text: str) -> None:
        try:
            event = Event.from_json(text)
            place = Place.read(event.message_id) if PLACE.fullmatch(event.message_id) else None
        except ValueError as error:
            log.warning("what came on an event channel is no event", extra={"channel": channel, "why": str(error)})
            return
        position = self._heard.get(channel)
        if position is None:
            return  # no longer followed
        if place is None:  # it is not kept, or came from a program that only publishes
            self._on_event(channel, event)
        elif place > position.place:
            self._on_event(channel, event)
            self._move(channel, place, position.ever + 1)

    def _catch_up(self, channel: str) -> None:
        position = self._heard.get(channel)
        if position is None:
            extent = self._log.extent(channel)
            self._move(channel, extent.last, extent.ever)
            return
        extent, events = self._log.catch_up(channel, position.place)
        if extent.last < position.place or extent.ever < position.ever:
            self._on_gap(Gap(channel=channel, after=str(position.place), missed=None))
        elif extent.gone > position.ever:
            self._on_gap(Gap(channel=channel, after=str(position.place), missed=extent.gone - position.ever))
        for event in events:
            self._on_event(channel, event)
        self._move(channel, extent.last, extent.ever)

    def _move(self, channel: str, place: Place, ever: int) -> None:
        with self._changed:
            self._heard[channel] = _Position(place, ever)
            self._changed.notify_all()
