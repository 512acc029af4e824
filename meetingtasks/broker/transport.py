"""The transport: what kombu makes of a ``redis://`` URL once `install` was called."""
# ruff: noqa: SLF001 - kombu keeps the state of its poller and its cache of transports in private attributes

from __future__ import annotations

from typing import Any, Final

from meetingtasks.broker import kombu_parts, reconnect
from meetingtasks.broker.channel import LeaseChannel, SentinelLeaseChannel
from meetingtasks.broker.poller import LeasePoller

HEALTH_CHECK_S: Final = 1.0
ALIASES: Final = {
    "redis": "meetingtasks.broker.transport:Transport",
    "rediss": "meetingtasks.broker.transport:Transport",
    "sentinel": "meetingtasks.broker.transport:SentinelTransport",
}


class Transport(kombu_parts.redis.Transport):  # type: ignore[misc] # see kombu_parts
    """Redis with leases; everything about exchanges, remote control and events is stock kombu."""

    Channel = LeaseChannel
    supports_batch_publish = True
    #: the worker's event loop, None in workers without one and in producers
    loop: Any = None

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.cycle = LeasePoller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:  # noqa: ARG002 - kombu's signature
        """Let the event loop read our sockets and keep our connections busy at every turn."""
        self.loop = loop
        cycle = self.cycle
        cycle.on_poll_init(loop.poller)
        cycle._unregister_from_poll = loop.remove_reader

        def disconnected(gone: Any) -> None:
            for ident, client in [(ident, ident[1]) for ident in cycle._chan_to_sock]:
                if client.connection is gone:
                    del cycle._chan_to_sock[ident]
                    for fd in [fd for fd, found in cycle._fd_to_chan.items() if found == (ident[0], ident[2])]:
                        del cycle._fd_to_chan[fd]
                        loop.remove(fd)

        def tick() -> None:
            if self.client is None:  # closed: another transport has taken over the loop
                loop.on_tick.discard(tick)
                return
            cycle.on_poll_start()
            for fd in cycle._fd_to_chan:
                if fd not in loop.readers:
                    loop.add_reader(fd, self.on_readable, fd)

        cycle._on_connection_disconnect = disconnected
        loop.on_tick.add(tick)
        self._every(loop, HEALTH_CHECK_S, cycle.maybe_check_brpop_health)
        self._every(loop, self._seconds("health_check_interval", 25), cycle.maybe_check_subclient_health)
        self._every(loop, self._seconds("reauth_check_interval", 10), cycle.maybe_reauth)
        self._every(loop, 1, cycle.maybe_refresh_binding_expiry)

    def _seconds(self, option: str, default: float) -> float:
        return float(self.client.transport_options.get(option) or default)

    def _every(self, loop: Any, seconds: float, duty: Any) -> None:
        loop.call_repeatedly(seconds, duty)


class SentinelTransport(Transport):
    """The same by way of Redis Sentinel."""

    Channel = SentinelLeaseChannel
    default_port = 26379


def install() -> None:
    """Make redis://, rediss://, redis+socket:// and sentinel:// URLs of this process use the lease transport."""
    kombu_parts.transports.TRANSPORT_ALIASES.update(ALIASES)
    for alias in ALIASES:
        kombu_parts.transports._transport_cache.pop(alias, None)
    reconnect.install()
