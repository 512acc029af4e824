"""Where an embedded server is reached: a unix socket, or a port of 127.0.0.1 with a password."""

from __future__ import annotations

import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

# what fits in sockaddr_un.sun_path with its closing zero
LONGEST_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A unix socket; whoever may enter its directory may speak to the server."""

    path: Path

    def url(self, database: int) -> str:
        """Return the URL that Celery and kombu take."""
        return f"redis+socket://{quote(str(self.path))}?virtual_host={database}"

    def client_url(self, database: int) -> str:
        """Return the URL that redis-py takes."""
        return f"unix://{quote(str(self.path))}?db={database}"

    def configuration(self) -> dict[str, str]:
        """Return the server settings that make it listen here."""
        return {"port": "0", "unixsocket": _quoted(self.path), "unixsocketperm": "700"}

    def greeting(self) -> bytes:
        """Return what a client must send first."""
        return b""

    def connect(self, timeout_s: float) -> socket.socket:
        """Open a connection; raises `OSError` while nobody listens."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            raise
        return connection


@dataclass(frozen=True, slots=True)
class PortAddress:
    """A port of the loopback interface; every user of the machine can reach it, hence the password."""

    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def url(self, database: int) -> str:
        """Return the URL that Celery, kombu and redis-py take."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def client_url(self, database: int) -> str:
        """Return the same URL: redis-py takes it too."""
        return self.url(database)

    def configuration(self) -> dict[str, str]:
        """Return the server settings that make it listen here."""
        return {"port": str(self.port), "bind": LOOPBACK, "protected-mode": "yes", "requirepass": self.password}

    def greeting(self) -> bytes:
        """Return what a client must send first."""
        return f"AUTH {self.password}\r\n".encode()

    def connect(self, timeout_s: float) -> socket.socket:
        """Open a connection; raises `OSError` while nobody listens."""
        return socket.create_connection((LOOPBACK, self.port), timeout_s)


Address = SocketAddress | PortAddress


def free_port() -> int:
    """Return a port that nobody listens on now; somebody may before it is used."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def fits_in_socket_address(path: Path) -> bool:
    """Tell whether a unix socket can have this path."""
    return len(bytes(path)) <= LONGEST_SOCKET_PATH_BYTES


def make_private_directory() -> Path:
    """Make a temporary directory that only this user can enter, short enough for a socket inside."""
    usual = Path(tempfile.mkdtemp(prefix="meetingtasks-"))
    if fits_in_socket_address(usual / "server.sock"):
        return usual
    usual.rmdir()
    return Path(tempfile.mkdtemp(prefix="meetingtasks-", dir="/tmp"))


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
