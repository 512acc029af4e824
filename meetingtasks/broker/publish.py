"""Writing messages: one round trip each or for a whole batch, the companion's commands in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError

from meetingtasks.broker import kombu_parts, outgoing, replication, scripts
from meetingtasks.broker.records import Outgoing, Placed

if TYPE_CHECKING:
    from meetingtasks.broker.channel import LeaseChannelMixin
    from meetingtasks.broker.client import Pipeline


class Publisher:
    """Puts messages into the queues of one channel."""

    def __init__(self, channel: LeaseChannelMixin) -> None:
        self._channel = channel

    def put(self, queue: str, messages: Sequence[dict[str, Any]]) -> list[Placed]:
        """Enqueue messages in order; see `Placed` for the answers."""
        options = self._channel.options
        if options.companion is None and not options.confirm_replicas:
            return self.call(queue, [outgoing.prepare(message, options.cap_of) for message in messages]).run(
                self._channel.raw
            )
        return self.put_many({queue: messages})[queue]

    def put_many(self, messages: dict[str, Sequence[dict[str, Any]]]) -> dict[str, list[Placed]]:
        """Enqueue messages into several queues in one transaction."""
        try:
            return self._transaction(messages)
        except NoScriptError:  # somebody flushed the server's scripts; everything in the transaction can be repeated
            scripts.teach(self._channel.raw)
            return self._transaction(messages)

    def call(self, queue: str, prepared: Sequence[Outgoing]) -> scripts.Call[list[Placed]]:
        """Return the enqueue script's run for messages of one queue."""
        options = self._channel.options.lease
        return scripts.enqueue(self._channel.keys_of(queue), prepared, dedupe_ms=options.dedupe_ms)

    def _transaction(self, messages: dict[str, Sequence[dict[str, Any]]]) -> dict[str, list[Placed]]:
        calls: dict[str, scripts.Call[list[Placed]]] = {}

        def fill(pipe: Pipeline) -> None:
            # the companion takes headers out, and a publish that is repeated must bring them again
            own = {queue: [{**m, "headers": {**m["headers"]}} for m in batch] for queue, batch in messages.items()}
            for batch in own.values():
                for message in batch:
                    self._accompany(pipe, message)
            for queue, batch in own.items():
                calls[queue] = self.call(queue, [outgoing.prepare(m, self._channel.options.cap_of) for m in batch])
                calls[queue].put_on(pipe)

        replies = self._execute(fill)[-len(messages) :]
        return {queue: call.read(reply) for (queue, call), reply in zip(calls.items(), replies, strict=True)}

    def _execute(self, fill: Callable[[Pipeline], None]) -> list[Any]:
        client, options = self._channel.raw, self._channel.options
        if options.confirm_replicas:
            prefix, within_s = self._channel.global_keyprefix, options.confirm_s
            return replication.transaction(
                client, fill, replicas=options.confirm_replicas, within_s=within_s, prefix=prefix
            )
        with client.pipeline(transaction=options.companion is not None) as pipe:
            fill(pipe)
            return list(pipe.execute())

    def _accompany(self, pipe: Pipeline, message: dict[str, Any]) -> None:
        if self._channel.options.companion is not None:
            self._channel.options.companion.on_enqueue(pipe, message)


class PublishBatch(kombu_parts.redis.PublishBatch):  # type: ignore[misc] # see kombu_parts
    """Gathers messages of one producer; tasks go by one script per queue, all else as stock commands."""

    def __init__(self, channel: LeaseChannelMixin, max_size: int) -> None:
        super().__init__(channel, max_size)
        self._buffered: int
        self._messages: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def enqueue(self, queue: str, message: dict[str, Any]) -> None:
        """Add one task message; sends the batch when it is full."""
        self._messages[queue].append(message)
        self._buffered += 1
        if self._buffered >= self.max_size:
            self.flush()

    def flush(self) -> None:
        """Send all that was gathered."""
        messages, self._messages = self._messages, defaultdict(list)
        stock = self._buffered - sum(map(len, messages.values()))
        self._buffered = stock
        super().flush()
        if messages:
            try:
                self.channel.publisher.put_many(messages)
            except RedisError as problem:
                self._failed = problem
                raise kombu_parts.BatchPublishError(
                    "the batch may or may not have arrived; repeating it is safe"
                ) from problem

    def discard(self) -> None:
        """Forget what was not sent yet."""
        self._messages.clear()
        super().discard()
