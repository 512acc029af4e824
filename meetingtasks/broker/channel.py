"""The channel: kombu's Redis channel with leases instead of pops."""
# ruff: noqa: D102 - kombu's channels are extended by overriding private methods, which its documentation explains

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import redis
from kombu.utils.objects import cached_property
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from meetingtasks.broker import delivery, kombu_parts, outgoing, scripts
from meetingtasks.broker.client import Client
from meetingtasks.broker.connections import teach_on_connect
from meetingtasks.broker.consuming import Consuming
from meetingtasks.broker.keys import QueueKeys
from meetingtasks.broker.lease import LeaseKeeper, keeper_of
from meetingtasks.broker.message import Message
from meetingtasks.broker.options import TransportOptions
from meetingtasks.broker.publish import PublishBatch, Publisher
from meetingtasks.broker.qos import QoS
from meetingtasks.broker.queue import purge
from meetingtasks.broker.records import Placed

logger = logging.getLogger(__name__)

EXHAUSTED: Final = 2  # an answer of release.lua


class LeaseChannelMixin(kombu_parts.mixin_base):  # type: ignore[misc] # mixed into a stock channel
    """What turns a stock Redis channel (plain or Sentinel) into a leasing one."""

    QoS = QoS
    Message = Message
    # stock kombu waits for ever on a server that is gone without a word
    socket_timeout = 5.0
    socket_connect_timeout = 5.0
    socket_keepalive = True
    #: repeating an enqueue does nothing, so a batch may be repeated
    supports_batch_publish = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        given = connection.client.transport_options
        self.options = TransportOptions.read(given)
        self.consuming = Consuming(self, given.get("global_keyprefix") or "")
        self._plain: set[str] = set()
        self._raw: Client | None = None
        super().__init__(connection, **kwargs)

    # ---- the end of a message

    @cached_property
    def keeper(self) -> LeaseKeeper:
        """Find this process's leases on this server; they outlive the channel."""
        client = self.connection.client
        # of several addresses of one server kombu may use another one each time it connects
        address = ";".join(sorted(client.alt)) or client.as_uri(include_password=True)
        make_pool = self._make_pool()
        lease, on_lost = self.options.lease, self.options.on_lost

        def make() -> LeaseKeeper:
            return LeaseKeeper(lambda: redis.Redis(connection_pool=make_pool()), lease, on_lost)

        return keeper_of((address, self.global_keyprefix, self.options), make)

    def end(self, tag: str) -> None:
        """Acknowledge a message: with the next fetch, or at once when this channel consumes no more."""
        lease = self.keeper.ack(tag)
        if self.closed or not self._consumers:
            self._flush()
        elif lease is not None:
            self.consuming.ended(lease)

    def give_back(self, tag: str) -> None:
        """Put a message back because its run died; the last time it becomes a dead letter."""
        lease = self.keeper.drop(tag)
        if lease is None:
            return
        deaths = self.options.lease.max_deliveries
        call = scripts.release(lease.keys, [(lease.id, lease.owner)], counted=True, max_deliveries=deaths)
        if call.run(self.raw) == [EXHAUSTED]:
            delivery.bury(self, lease.keys, lease.id, lease.owner, "worker_lost")

    def bury(self, tag: str, reason: str) -> None:
        """Make a message a dead letter."""
        lease = self.keeper.drop(tag)
        if lease is not None:
            delivery.bury(self, lease.keys, lease.id, lease.owner, reason)

    def hand_back(self, tags: Iterable[str]) -> None:
        """Put messages back that were not run; uses no delivery."""
        tags = list(tags)
        for tag in tags:
            self.keeper.release_unrun(tag)
        if tags:
            self._flush()

    def _flush(self) -> None:
        with suppress(*self.connection_errors):  # the keeper sends it as soon as the server answers
            self.keeper.flush(self.raw)

    # ---- consuming

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        (self._plain.add if no_ack else self._plain.discard)(queue)
        if not no_ack:
            self.keeper.watch(self.consuming)
        consumer = super().basic_consume(queue, no_ack, *args, **kwargs)
        self.consuming.ring()
        return consumer

    def _basic_cancel(self, consumer_tag: str) -> None:
        super()._basic_cancel(consumer_tag)
        self.consuming.give_back()
        if self.active_queues:
            self.consuming.ring()

    def _unsubscribe_from(self, queue: str) -> None:
        # a broken connection has no subscriptions left, and Celery stumbles over an error here while it reconnects
        with suppress(*self.connection_errors):
            super()._unsubscribe_from(queue)

    @property
    def lease_queues(self) -> list[QueueKeys]:
        """The queues whose messages are leased."""
        return [self.keys_of(queue) for queue in self.active_queues if queue not in self._plain]

    @property
    def plain_queues(self) -> list[QueueKeys]:
        """The queues consumed without acknowledgement (replies, results): plain lists as in stock kombu."""
        return [self.keys_of(queue) for queue in self.active_queues if queue in self._plain]

    def is_plain(self, queue: str) -> bool:
        """Tell whether a queue is consumed without acknowledgement."""
        return queue in self._plain

    def keys_of(self, queue: str) -> QueueKeys:
        """Return a queue's keys."""
        return QueueKeys(queue, self.global_keyprefix)

    def _brpop_start(self, timeout: float | None = None) -> None:  # noqa: ARG002 - kombu's signature
        self.consuming.start()

    def _brpop_read(self, **_: Any) -> bool:
        return self.consuming.read()

    def _get(self, queue: str) -> dict[str, Any]:
        call = scripts.fetch([self.keys_of(queue)], 1, self.consuming.new_owner(), self.options.lease.terms)
        for raw in delivery.accepted(self, call.run(self.raw).messages):
            return raw
        stock_message: dict[str, Any] = super()._get(queue)
        return stock_message

    def _on_connection_disconnect(self, connection: Any) -> None:
        if self._in_poll is connection:
            self.consuming.forget_fetch()
        super()._on_connection_disconnect(connection)

    # ---- publishing and looking

    @property
    def raw(self) -> Client:
        """A client that takes keys as they are; ours carry the prefix already."""
        if self._raw is None or self._raw.connection_pool is not self.pool:  # a fork or a close ends the pool
            self._raw = redis.Redis(connection_pool=self.pool)
        return self._raw

    @cached_property
    def publisher(self) -> Publisher:
        """Return what writes messages for this channel."""
        return Publisher(self)

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """Create a producer's batch: one round trip for up to ``max_size`` messages."""
        return PublishBatch(self, max_size)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        if not outgoing.is_task(message):
            super()._put(queue, message, **kwargs)
            return
        outgoing.mark(message)
        batch = kwargs.get("_publish_batch")
        if batch is not None:
            batch.enqueue(queue, message)
        elif self.publisher.put(queue, [message]) == [Placed.REFUSED]:
            logger.info("Message refused: it is already there", extra={"action": "refused", "queue": queue})

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return bool(self.raw.exists(self.keys_of(queue).messages)) or bool(super()._has_queue(queue, **kwargs))

    def _size(self, queue: str) -> int:
        # stock kombu asks in a transaction, of which a full server refuses every command: no worker could start then
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for priority in self.priority_steps:
                pipe.llen(self._q_for_pri(queue, priority))
            return sum(pipe.execute())

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except OutOfMemoryError:
            # whoever publishes binds the queue too, and what waits in it needs no binding
            logger.warning(
                "The server's memory is full: a binding was not written", extra={"action": "unbound", "queue": queue}
            )

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        try:
            super()._delete(queue, *args, **kwargs)
        except OutOfMemoryError:  # it, too, deletes in a transaction
            with self.conn_or_acquire() as client:
                client.delete(*(self._q_for_pri(queue, priority) for priority in self.priority_steps))

    def _purge(self, queue: str) -> int:
        companion = self.options.companion
        before = None if companion is None else functools.partial(companion.before_purge, self.raw)
        return purge(self.raw, self.keys_of(queue), before) + int(super()._purge(queue))

    # ---- connections

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            # stock kombu fails here with an AttributeError that nobody expects, and the worker dies of it
            raise RedisConnectionError("this channel is closed")
        params: dict[str, Any] = super()._connparams(asynchronous)
        params["redis_connect_func"] = teach_on_connect
        return params

    def _make_pool(self) -> Any:
        params = self._connparams()
        return lambda: redis.ConnectionPool(**params)

    def close(self) -> None:
        self._closing = True
        self.consuming.stop()
        if not self.closed:
            # an orderly shutdown cancels its consumers first
            self.qos.orphaned = bool(self._consumers)
        with suppress(*self.connection_errors):
            super().close()


class LeaseChannel(LeaseChannelMixin, kombu_parts.redis.Channel):  # type: ignore[misc] # see kombu_parts
    """The channel of redis://, rediss:// and redis+socket://."""


class SentinelLeaseChannel(LeaseChannelMixin, kombu_parts.redis.SentinelChannel):  # type: ignore[misc] # see kombu_parts
    """The channel of sentinel://."""

    def _make_pool(self) -> Any:
        manager = self.__dict__.get("_sentinel_manager")
        pool = self._get_pool()
        self.__dict__["_sentinel_manager"] = manager  # the channel's closing must not close the keeper's
        return lambda: pool
