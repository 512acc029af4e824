"""A private Redis-compatible server: started in one call, kept on disk, gone with the process that started it.

It listens on a unix socket that only its user can open, or, when a port is asked for, on 127.0.0.1 with a random
password. Every write goes to an append-only file, so what was accepted survives a crash of the server; with
``appendfsync everysec`` a crash of the *machine* can lose the last second. Used by ``meetingtasks up``, by the demo and
by the tests; production runs a server of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from meetingtasks.embedded import binary, probe
from meetingtasks.embedded.address import (
    Address,
    PortAddress,
    SocketAddress,
    fits_in_socket_address,
    free_port,
    make_private_directory,
)
from meetingtasks.errors import EmbeddedServerError
from meetingtasks.processes.guarded import Child, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT_ATTEMPTS = 5
PORT_TAKEN = "Failed listening on port"  # the server's own words
LOADED_IN_PART = b"because aof-load-truncated is enabled"  # and these
ALWAYS = {
    "appendonly": "yes",
    "aof-load-truncated": "yes",  # a crash may cut the last write short: what is whole is loaded
    "save": '""',
    "maxmemory-policy": "noeviction",
    "loglevel": "notice",
    "daemonize": "no",
}


class EmbeddedServer:
    """One server in one directory; ``with EmbeddedServer() as server: …`` or `start` and `stop`.

    ``directory`` keeps the data between runs; without one, a private temporary directory is made, removed at the end.
    ``port``: None for a unix socket (the default), 0 for a free port of 127.0.0.1, or the port itself.
    ``appendfsync``: ``everysec`` (default), ``always`` (slower, survives power loss) or ``no``.
    ``settings``: further lines of the server's configuration (name: value); they win over the ones made here.
    ``start_timeout_s``: how long to wait for its first answer, the loading of a large append-only file included.
    """

    def __init__(
        self,
        directory: Path | str | None = None,
        *,
        port: int | None = None,
        appendfsync: Literal["always", "everysec", "no"] = "everysec",
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = 30.0,
    ) -> None:
        self._given_directory = None if directory is None else Path(directory).resolve()
        self._asked_port = port
        self._settings = {"appendfsync": appendfsync, **(settings or {})}
        self._start_timeout_s = start_timeout_s
        self._owner_pid = os.getpid()
        self._process: Child | None = None
        self._address: Address | None = None
        self._directory: Path | None = None
        self._temporary: list[Path] = []

    @property
    def url(self) -> str:
        """The URL of database 0 as Celery and kombu take it."""
        return self.url_of(0)

    @property
    def client_url(self) -> str:
        """The URL of database 0 as redis-py takes it."""
        return self.client_url_of(0)

    @property
    def pid(self) -> int:
        """The number of the running server process."""
        if self._process is None:
            raise EmbeddedServerError("the embedded server is not running")
        return self._process.pid

    @property
    def directory(self) -> Path:
        """Where its data and ``server.log`` are."""
        if self._directory is None:
            raise EmbeddedServerError("the embedded server is not started")
        return self._directory

    def url_of(self, database: int) -> str:
        """Return the URL of a database (0 to 15) as Celery and kombu take it."""
        return self._placed().url(database)

    def client_url_of(self, database: int) -> str:
        """Return the URL of a database (0 to 15) as redis-py takes it."""
        return self._placed().client_url(database)

    def start(self) -> str:
        """Start the server, wait until it answers and return `url`; raises `EmbeddedServerError`."""
        if self._process is not None:
            return self.url
        program = binary.find()
        atexit.register(self.stop)
        try:
            self._place()
            self._launch_on_some_port(program)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """End the server in good order (SIGTERM, SIGKILL ``timeout_s`` later) and remove what was temporary."""
        if os.getpid() != self._owner_pid:
            return  # a forked child must not end its parent's server
        self._end(signal.SIGTERM, timeout_s)
        for place in self._temporary:
            shutil.rmtree(place, ignore_errors=True)
        self._temporary.clear()
        self._directory = self._address = None
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash does; its data and its address stay for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self) -> str:
        """Start it again on the same data and at the same address, after ending it when it runs."""
        self._end(signal.SIGTERM, 10.0)
        if self._directory is None:
            return self.start()
        self._launch(binary.find())
        return self.url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _placed(self) -> Address:
        if self._address is None:
            raise EmbeddedServerError("the embedded server is not started")
        return self._address

    def _place(self) -> None:
        if self._given_directory is None:
            self._directory = self._make_temporary()
        else:
            self._directory = self._given_directory
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._asked_port is None:
            path = self._directory / "server.sock"
            self._address = SocketAddress(
                path if fits_in_socket_address(path) else self._make_temporary() / "server.sock"
            )
        else:
            self._address = PortAddress(self._asked_port or free_port())

    def _make_temporary(self) -> Path:
        place = make_private_directory()
        self._temporary.append(place)
        return place

    def _launch_on_some_port(self, program: Path) -> None:
        for _ in range(PORT_ATTEMPTS - 1 if self._asked_port == 0 else 0):
            try:
                return self._launch(program)
            except EmbeddedServerError as error:
                if PORT_TAKEN not in error.message:
                    raise
                self._address = PortAddress(free_port())  # somebody else took the other one in between
        return self._launch(program)

    def _launch(self, program: Path, *, again: bool = True) -> None:
        directory, address = self.directory, self._placed()
        configuration, log_path = directory / "server.conf", directory / "server.log"
        configuration.touch(mode=0o600)
        configuration.write_text(_lines(ALWAYS | address.configuration() | self._settings))
        with log_path.open("ab") as log, (directory / "lock").open("ab") as lock:
            probe.lock(lock.fileno(), directory)
            log_start = log.tell()
            self._process = spawn(
                [str(program), str(configuration)],
                death_signal=signal.SIGTERM,  # it closes its file in good order
                cwd=directory,
                output=log,
                keep_fds=[lock.fileno()],  # held by the server alone, so the lock ends when the server does
                umask=0o077,
            )
        try:
            probe.wait_until_it_answers(
                self._process, address, within_s=self._start_timeout_s, log=log_path, log_start=log_start
            )
        except EmbeddedServerError:
            self._end(signal.SIGKILL)
            raise
        if again and LOADED_IN_PART in log_path.read_bytes()[log_start:]:
            # Of a transaction that was cut inside a command the server drops that command alone and keeps the rest in
            # its file, where the next write would complete it (seen on Redis 7.0.15). A second start drops the rest as
            # well; only a client that writes within the milliseconds between the two comes too early.
            self._end(signal.SIGTERM, 10.0)
            self._launch(program, again=False)

    def _end(self, how: signal.Signals, timeout_s: float | None = None) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            process.send_signal(how)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in settings.items())
