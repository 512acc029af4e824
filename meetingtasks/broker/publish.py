"""Writing messages: one round trip each or for a whole batch, the companion's commands in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError

from meetingtasks.broker import kombu_parts, outgoing, scripts
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
        if self._channel.options.companion is None:
            return self.call(queue, [outgoing.prepare(message) for message in messages]).run(self._channel.raw)
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
        with self._channel.raw.pipeline(transaction=self._channel.options.companion is not None) as pipe:
            for batch in messages.values():
                for message in batch:
                    self._accompany(pipe, message)
            calls = {queue: self.call(queue, list(map(outgoing.prepare, batch))) for queue, batch in messages.items()}
            for call in calls.values():
                call.put_on(pipe)
            replies = pipe.execute()[-len(calls) :]
        return {queue: call.read(reply) for (queue, call), reply in zip(calls.items(), replies, strict=True)}

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
