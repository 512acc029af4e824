"""Waits for what the server sends: kombu's poller, made for fetches and bells instead of popped messages."""
# ruff: noqa: SLF001, D102 - kombu keeps its state in private attributes and explains the overridden methods itself

from __future__ import annotations

from queue import Empty
from typing import Any, Final

from meetingtasks.broker import kombu_parts
from meetingtasks.clock import SYSTEM

FOR_EVER_S: Final = 60.0  # a wait without an end is cut into these


class LeasePoller(kombu_parts.redis.MultiChannelPoller):  # type: ignore[misc] # see kombu_parts
    """Keeps every channel's one connection busy: fetching when there is room, listening for the bell when not."""

    def on_poll_start(self) -> None:
        for channel in list(self._channels):
            if channel.active_queues:
                channel.consuming.keep_busy()
            if channel.active_fanout_queues:
                self._register_LISTEN(channel)

    def on_poll_init(self, poller: Any) -> None:
        self.poller = poller

    def maybe_restore_messages(self) -> None:
        """Do nothing: every fetch takes expired leases back."""

    def maybe_check_brpop_health(self) -> None:
        """Drop a connection whose reply is overdue: the other end may be gone without a word."""
        for channel in list(self._channels):
            channel.consuming.drop_overdue()

    def on_readable(self, fileno: int) -> Any:
        found = self._fd_to_chan.get(fileno)
        if found is None:
            return None
        channel, kind = found
        if kind == "BRPOP" and not channel._in_poll:
            # nothing is expected, so the server has closed an idle connection; the next tick opens another
            channel.client.connection.disconnect()
            return None
        return channel.handlers[kind]()

    def handle_event(self, fileno: int, event: int) -> Any:  # noqa: ARG002 - kombu's signature
        if fileno not in self._fd_to_chan:
            return None
        # an error shows itself when the connection is read
        return self.on_readable(fileno), self

    def get(self, callback: Any, timeout: float | None = None) -> None:  # noqa: ARG002 - kombu's signature
        """Wait for one event without an event loop; raises `queue.Empty` when there was none."""
        self._in_protected_read = True
        try:
            self.maybe_refresh_binding_expiry()
            self.on_poll_start()
            for fileno, event in self.poller.poll(self._longest_wait_s(timeout)) or ():
                if self.handle_event(fileno, event):
                    return
            self.maybe_check_brpop_health()
            self._ring_due()
            raise Empty
        finally:
            self._in_protected_read = False
            while self.after_read:
                self.after_read.pop()()

    def _longest_wait_s(self, timeout: float | None) -> float:
        due_s = min((channel.consuming.due_s for channel in self._channels), default=float("inf"))
        return max(0.0, min(FOR_EVER_S if timeout is None else timeout, due_s - SYSTEM.monotonic_s()))

    def _ring_due(self) -> None:
        for channel in list(self._channels):
            if channel.consuming.due_s <= SYSTEM.monotonic_s():
                channel.consuming.ring()
