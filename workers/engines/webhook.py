"""Posts once to one address that somebody else has checked, and tells how the other side answered.

The connection goes to the address that was checked, whatever the host's name stands for by now. Redirects are not
followed, and of the answer only status and headers are read.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from workers.engines.errors import EngineError

TIMEOUT_S: Final = 10.0


class PostFailed(EngineError):
    """There was no answer: no connection, no TLS, no HTTP, or not in time."""

    code = "webhook_unreachable"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to post: ``address`` is connected to, ``host`` is who must answer there (by its certificate)."""

    address: str
    host: str
    port: int
    target: str
    has_tls: bool


@dataclass(frozen=True)
class Answer:
    """How the other side answered; ``retry_after_s`` when it asked for time."""

    status: int
    retry_after_s: float | None = None


def post(place: Place, body: bytes, headers: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Post and return the answer; PostFailed without one within ``timeout_s`` altogether."""
    connection = http.client.HTTPConnection(place.host, place.port, timeout=timeout_s)
    late = threading.Event()
    twin: socket.socket | None = None
    try:
        plain = socket.create_connection((place.address, place.port), timeout_s)
        # a time-out of the socket is one per part of the answer; a slow sender could go on for ever
        twin = plain.dup()
        watch = threading.Timer(timeout_s, _cut, (twin, late))
        watch.daemon = True
        watch.start()
        connection.sock = _secured(plain, place) if place.has_tls else plain
        connection.request("POST", place.target, body, {"Host": _host(place), **headers})
        response = connection.getresponse()
        if late.is_set():  # what was cut off reads like an end
            raise TimeoutError
        return Answer(response.status, _seconds(response.getheader("Retry-After")))
    except (OSError, http.client.HTTPException) as error:
        why = f"no answer within {timeout_s:g} s" if late.is_set() else str(error) or type(error).__name__
        raise PostFailed(f"{place.host} cannot be reached: {why}") from error
    finally:
        if twin is not None:
            watch.cancel()
            twin.close()
        connection.close()


def _secured(plain: socket.socket, place: Place) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=place.host)


def _cut(connection: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):  # it has ended meanwhile
        connection.shutdown(socket.SHUT_RDWR)


def _host(place: Place) -> str:
    return place.host if place.port == (443 if place.has_tls else 80) else f"{place.host}:{place.port}"


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
