"""A TCP proxy that can cut every connection, or swallow the next reply that holds certain bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on to another until told otherwise; use as a context."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._marker = b""
        self.swallowed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for end in list(self._open):
            _shut(end)

    def swallow_reply_with(self, marker: bytes) -> None:
        """Break the connection whose next reply holds ``marker``, instead of passing that reply on."""
        self.swallowed.clear()
        self._marker = marker

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._upstream)
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open |= {client, server}
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_reply: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if is_reply and self._marker and self._marker in data:
                    self._marker = b""
                    self.swallowed.set()
                    break
                target.sendall(data)
        _shut(source)
        _shut(target)
        self._open -= {source, target}


def _shut(end: socket.socket) -> None:
    with suppress(OSError):  # already broken
        end.shutdown(socket.SHUT_RDWR)
