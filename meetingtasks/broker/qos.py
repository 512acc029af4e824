"""How many messages a channel may still take, and the end of each: kombu's QoS over leases."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from meetingtasks.broker import kombu_parts

if TYPE_CHECKING:
    from meetingtasks.broker.channel import LeaseChannelMixin


class QoS(kombu_parts.virtual.QoS):  # type: ignore[misc] # see kombu_parts
    """Counts delivered messages against the prefetch count; ends them by their lease."""

    channel: LeaseChannelMixin
    #: set when the channel is closed under its consumers, because the connection broke: what runs goes on running
    orphaned = False

    def free(self) -> int | None:
        """Return how many more messages may be taken, None without a limit."""
        if "can_consume" in self.__dict__:  # Celery's worker_disable_prefetch decides anew after each message
            return int(self.can_consume())
        estimate: int | None = self.can_consume_max_estimate()
        return None if estimate is None else max(0, estimate - self.channel.keeper.orphans)

    def ack(self, delivery_tag: str) -> None:
        """End a message."""
        super().ack(delivery_tag)
        self.channel.end(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give a message up, or with ``requeue`` back: that counts as a delivery, and the last one makes it dead."""
        if requeue:
            self.channel.give_back(delivery_tag)
        else:
            self.channel.bury(delivery_tag, "rejected")
        super().ack(delivery_tag)

    def restore_unacked(self) -> list[Any]:
        """Give back what was delivered and not ended; uses no delivery."""
        self._flush()
        tags = list(self._delivered)
        if self.orphaned:
            for tag in tags:
                self._watch(tag, self._delivered[tag])
        else:
            self.channel.hand_back(tags)
        self._delivered.clear()
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:  # noqa: ARG002 - kombu's signature
        """Do so once, at close or exit."""
        self._on_collect.cancel()
        if self.channel.do_restore and not self._delivered.restored:
            self.restore_unacked()
            self._delivered.restored = True

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Do nothing: every fetch takes expired leases back."""

    def _watch(self, tag: str, message: Any) -> None:
        # Celery drops the requests that its pool had not accepted when the connection broke; a message that nobody
        # holds any more can never be acknowledged, so it goes back. One that runs is held by its request until it ends.
        self.channel.keeper.orphan(tag)
        weakref.finalize(message, self.channel.keeper.release_unrun, tag).atexit = False
