"""Events between processes: the earlier systems' ``RedisPubSubQueue``, which is also an `EventBus`.

>>> queue = RedisPubSubQueue("redis://127.0.0.1:6379/0")                                    # doctest: +SKIP
>>> queue.subscribe("meeting_events", lambda message: print(message.type, message.payload))
>>> queue.start()
>>> queue.publish("meeting_events", PubSubMessage(type="user_joined", payload={"user_id": 123, "meeting_id": 456}))
>>> queue.stop()

Every subscriber of every process gets every event of a channel once, in the order in which they were published. After
a lost connection it gets what was published meanwhile; what the log no longer has is a gap, which is reported.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from redis.exceptions import RedisError

from meetingtasks.errors import BrokerUnavailable
from meetingtasks.events.bus import Handler
from meetingtasks.events.errors import BusStopped, EventBufferFull
from meetingtasks.events.facts import FACTS
from meetingtasks.events.facts.base import Fact
from meetingtasks.events.lanes import Lanes
from meetingtasks.events.listening import Gap, Listener
from meetingtasks.events.log import EventLog, Outgoing
from meetingtasks.events.sending import Sender
from meetingtasks.events.types import Event, canonical, event_of
from meetingtasks.settings import current
from meetingtasks.store.client import Client, connect

log = logging.getLogger(__name__)

#: the earlier systems' name of an event that goes through a channel
PubSubMessage: TypeAlias = Event
Published: TypeAlias = Event | Fact | Mapping[str, Any]
#: where events of a type go that the platform does not know
OTHER_CHANNEL: Final = "system_events"
#: how long `start`, `subscribe` and `stop` wait for the server
ANSWER_WITHIN_S: Final = 5.0
_CHANNEL, _TYPE = "channel ", "type "


class RedisPubSubQueue:
    """Publishes events on channels and hands those of others to handlers, each in a thread of its own.

    ``broker`` is a server's URL or a client of redis-py; none: this process's settings. ``buffer_size`` is the number
    of events that may wait for the handlers, and for the server while it is away. ``on_gap(gap)`` is called when
    events were missed for good.
    """

    def __init__(
        self,
        broker: str | Client | None = None,
        *,
        buffer_size: int = 10_000,
        on_gap: Callable[[Gap], object] | None = None,
    ) -> None:
        self.log = EventLog(_client(broker), task_events_kept=current().event_stream_length)
        self._on_gap = on_gap
        self._lanes = Lanes(buffer_size, None, name="redis-events-handler")
        self._listener = Listener(self.log, on_event=self._hand, on_gap=self._gap)
        self._sender = Sender(self.log, buffer_size)
        self._life = threading.RLock()
        self._is_running = False
        self._published = self._received = self._gaps = 0

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to call handlers, once the subscriptions stand; a server that is away is waited for in the background.

        Does nothing when it has begun.
        """
        with self._life:
            if self._is_running or self._lanes.is_own_thread():
                return
            self._is_running = True
            self._lanes.start()
            self._follow()
            self._listener.start()
            if not self._listener.wait_heard(ANSWER_WITHIN_S):
                log.warning("the event bus has no connection yet and goes on trying")
            self._sender.start()

    def stop(self) -> None:
        """Publish what was emitted, hand over what was published, then end. From inside a handler only the latter.

        Takes at most some seconds when the server is away; what could not be published then is counted as dropped.
        """
        if self._lanes.is_own_thread():
            threading.Thread(target=self.stop, name="redis-events-stop").start()
            return
        with self._life:
            self._sender.stop(ANSWER_WITHIN_S if self._is_running else 0.0)
            if self._is_running:
                self._listener.wait_past(self._sender.last, ANSWER_WITHIN_S)
            self._is_running = False
            self._listener.stop()
            self._lanes.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- subscribing ------------------------------------------------------------------------------------------------

    def subscribe(self, channel: str, handler: Handler) -> None:
        """Call ``handler(event)`` for every event of a channel from now on; registering it again changes nothing."""
        self._add(_CHANNEL + channel, handler)

    def unsubscribe(self, channel: str, handler: Handler | None = None) -> int:
        """End one subscription, or all of a channel; returns how many. What waits for the handler is dropped."""
        return self._remove(_CHANNEL + channel, handler)

    def on(self, event_type: str, handler: Handler) -> None:
        """Call ``handler(event)`` for every event of a type from now on; see `EventBus`."""
        self._add(_TYPE + canonical(event_type), handler)

    def off(self, event_type: str, handler: Handler | None = None) -> int:
        """Stop calling a handler, or all of a type; what waits for it is dropped, a call that has begun goes on."""
        return self._remove(_TYPE + canonical(event_type), handler)

    def _add(self, key: str, handler: Handler) -> None:
        self._lanes.add(key, handler)
        self._follow()
        if self._is_running and not self._listener.wait_heard(ANSWER_WITHIN_S):
            raise BrokerUnavailable("the server does not answer; the subscription stands as soon as it does")

    def _remove(self, key: str, handler: Handler | None) -> int:
        removed = self._lanes.remove(key, handler)
        self._follow()
        return removed

    def _follow(self) -> None:
        self._listener.follow({_channel_of_key(key) for key in self._lanes.served()})

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self, channel: str, message: Published, *, once: str | None = None) -> str:
        """Publish one event and return its id, by which `since` finds what came after it.

        ``once`` names the occasion: a second publication on the channel under that name within 24 h changes nothing
        and returns the first one's id. BrokerUnavailable when the server does not answer.
        """
        return self._publish([Outgoing.of(channel, _event(message), once)])[0]

    def publish_batch(self, channel: str, messages: Sequence[Published]) -> list[str]:
        """Publish several events in one transaction and return their ids."""
        return self._publish([Outgoing.of(channel, _event(message)) for message in messages])

    def emit(self, what: str | Fact, payload: Mapping[str, Any] | None = None, source: str = "") -> bool:
        """Tell that something happened on its type's channel, in the background; never waits. See `EventBus`."""
        event = event_of(what, payload, source)
        self._sender.put(Outgoing.of(channel_of(event.type), event))
        return True

    def since(self, channel: str, after: str | int | None = None, *, limit: int | None = None) -> Iterator[Event]:
        """Yield a channel's kept events after an id, or from a time in ms on, or (None) all of them, oldest first."""
        with _translated():
            yield from self.log.since(channel, after, limit=limit)

    def _publish(self, events: list[Outgoing]) -> list[str]:
        with _translated():
            ids = self.log.publish(events)
        self._published += len(ids)
        return ids

    # -- hearing ----------------------------------------------------------------------------------------------------

    def _hand(self, channel: str, event: Event) -> None:
        self._received += 1
        keys = [_CHANNEL + channel]
        if channel == channel_of(event.type):  # a handler of a type listens on that type's channel
            keys.append(_TYPE + canonical(event.type))
        try:
            self._lanes.put(keys, event)
        except (EventBufferFull, BusStopped) as refused:
            log.debug("an event was not handed on", extra={"event_type": event.type, "why": refused.message})

    def _gap(self, gap: Gap) -> None:
        self._gaps += 1
        log.warning("events were missed", extra={"channel": gap.channel, "after": gap.after, "missed": gap.missed})
        if self._on_gap is not None:
            try:
                self._on_gap(gap)
            except Exception:
                log.exception("the callback for a gap failed")

    def get_stats(self) -> dict[str, int]:
        """Return this object's counts, and for ``channel_count`` and ``event_type_count`` what has handlers now.

        ``total_published`` is what the server has taken, ``total_received`` what came from it, ``total_dropped`` what
        was not handed on or not published, ``gaps`` how often events were missed.
        """
        counts, keys = self._lanes.counts(), self._lanes.served()
        return {
            "total_published": self._published + self._sender.sent,
            "total_received": self._received,
            "channel_count": len({_channel_of_key(key) for key in keys}),
            "total_emitted": self._sender.accepted,
            "total_processed": counts.processed,
            "event_type_count": sum(key.startswith(_TYPE) for key in keys),
            "total_dropped": counts.dropped + self._sender.dropped,
            "handler_errors": counts.errors,
            "gaps": self._gaps,
        }


def channel_of(event_type: str) -> str:
    """Return the channel that events of a type go through."""
    known = FACTS.get(canonical(event_type))
    return OTHER_CHANNEL if known is None else known.channel


def _channel_of_key(key: str) -> str:
    return key.removeprefix(_CHANNEL) if key.startswith(_CHANNEL) else channel_of(key.removeprefix(_TYPE))


def _event(message: Published) -> Event:
    if isinstance(message, Event):
        return message
    if isinstance(message, Fact):
        return event_of(message)
    about = dict(message)
    return event_of(about["type"], about.get("payload"), about.get("source") or "")


def _client(broker: str | Client | None) -> Client:
    """Return a client whose replies are text."""
    if broker is None or isinstance(broker, str):
        return connect(broker or current().effective_store_url)
    if broker.connection_pool.connection_kwargs.get("decode_responses"):
        return broker
    pool = broker.connection_pool
    return type(broker)(
        connection_pool=type(pool)(
            connection_class=pool.connection_class, **{**pool.connection_kwargs, "decode_responses": True}
        )
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise BrokerUnavailable(f"the broker does not answer: {error}") from error
