"""The HTTP server around the application: its socket, its patience with slow callers, and its end in good order."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from meetingtasks.api import websocket
from meetingtasks.api.edge import MAX_HEAD_BYTES
from meetingtasks.errors import SettingsError
from meetingtasks.sessions import protocol

#: for the head of a request, from its connection's first moment or the end of the request before
HEAD_WITHIN_S: Final = 10.0
#: between pings to a WebSocket, and for its pong: a client that is gone is noticed within a minute
PING_S: Final = 30.0
KEEP_ALIVE_S: Final = 5
#: for requests that are under way when the server is told to stop
STOP_WITHIN_S: Final = 10
_WAITING_CONNECTIONS: Final = 2048


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on a caller who does not come to the end of a request's head."""

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it is there already."""
        self._expect_head()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._forget_head()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Leave the connection to the WebSocket's own protocol."""
        self._forget_head()
        super().handle_websocket_upgrade(event)

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_due = self.loop.call_later(HEAD_WITHIN_S, self._hang_up_when_idle)

    def _forget_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _hang_up_when_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class ApiServer(uvicorn.Server):
    """Serves an application on a socket until SIGTERM or SIGINT; then streams end, other requests are finished.

    ``on_ready()`` is called once when it answers. A second signal ends it at once.
    """

    def __init__(self, api: FastAPI, *, on_ready: Callable[[], object]) -> None:
        config = uvicorn.Config(
            api,
            http=PatientProtocol,
            ws="websockets-sansio",
            ws_max_size=2 * protocol.MAX_FRAME_BYTES,  # up to there the application says what is wrong
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,  # a compressed frame may be a thousand times as large
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        super().__init__(config)
        self._api = api
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, then tell that it answers."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; unlike uvicorn's own, the signal is not raised again, so that the exit code is 0."""
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True
        self._api.state.streams.end_all()
        websocket.close_all(self._api)


def listen(host: str, port: int, *, or_free_port: bool = False) -> socket.socket:
    """Return a listening socket; SettingsError when the address cannot be had.

    ``or_free_port``: another port of the same host when this one is taken.
    """
    try:
        found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"api_host: {host}: {error.strerror or error}") from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        if or_free_port and error.errno == errno.EADDRINUSE:
            return listen(host, 0)
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    listening.listen(_WAITING_CONNECTIONS)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address that a server listens on."""
    return host in {"localhost", "::1"} or host.startswith("127.")
