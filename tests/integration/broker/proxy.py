"""A TCP proxy between a client and the server that can cut, refuse, fall silent, or swallow one chosen reply."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field


@dataclass(eq=False)
class Link:
    """One client's connection through the proxy."""

    client: socket.socket
    server: socket.socket
    swallow: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on until told otherwise."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: set[Link] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._open = threading.Event()
        self._open.set()
        self._marker: bytes | None = None
        self._reply_marker: bytes | None = None
        self.swallowed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection."""
        for link in list(self._links):
            link.cut()

    def take_no_more(self) -> None:
        """Break every new connection as soon as it is made."""
        self._open.clear()

    def refuse(self) -> None:
        """Break every connection, and every new one as soon as it is made."""
        self.take_no_more()
        self.cut()

    def fall_silent(self) -> None:
        """Pass nothing on, and keep connections open, as a network does that is gone."""
        self._flowing.clear()

    def recover(self) -> None:
        """Pass everything on again; what was held back goes first."""
        self._open.set()
        self._flowing.set()

    def swallow_reply_to(self, marker: bytes) -> None:
        """Let the next command that contains ``marker`` reach the server, then cut it instead of a reply."""
        self.swallowed.clear()
        self._marker = marker

    def swallow_replies_with(self, marker: bytes) -> None:
        """Cut the next connection on which a reply with ``marker`` comes, instead of passing it on."""
        self.swallowed.clear()
        self._reply_marker = marker

    def close(self) -> None:
        self.recover()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                client.close()
                continue
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                client.close()
                continue
            link = Link(client, server)
            self._links.add(link)
            threading.Thread(target=self._pass, args=(link, client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(link, server, client, False), daemon=True).start()

    def _pass(self, link: Link, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flowing.wait()
                if to_server and self._marker is not None and self._marker in data:
                    self._marker = None
                    link.swallow.set()
                if not to_server and self._reply_marker is not None and self._reply_marker in data:
                    self._reply_marker = None
                    link.swallow.set()
                if not to_server and link.swallow.is_set():
                    self.swallowed.set()
                    break
                target.sendall(data)
        link.cut()
        source.close()
        self._links.discard(link)
