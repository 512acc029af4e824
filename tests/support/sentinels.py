"""A master, its replica and three sentinels on loopback, as real processes; the master can be killed."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from meetingtasks.embedded.address import free_port
from meetingtasks.embedded.binary import find
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

MASTER = "fleetmaster"
DOWN_AFTER_MS = 1000


class Sentinels:
    """Servers and sentinels, ready to fail over; all gone when the block ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self.servers: dict[int, RunningProcess] = {}
        self.sentinels: list[int] = []

    def __enter__(self) -> Self:
        master, replica = free_port(), free_port()
        self.serve(master)
        self.serve(replica, "--replicaof", "127.0.0.1", str(master))
        eventually(lambda: self.client(replica).info("replication")["master_link_status"] == "up", 20)
        for _ in range(3):
            self._watch(master)
        for port in self.sentinels:
            eventually(lambda port=port: self._sees_all(port), 20)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The broker's URL."""
        hosts = ";".join(f"sentinel://127.0.0.1:{port}" for port in self.sentinels)
        return f"{hosts}/0?master_name={MASTER}"

    def serve(self, port: int, *options: str) -> None:
        """Start a server that writes everything to disk."""
        home = self._directory / str(port)
        home.mkdir(exist_ok=True)
        quick = ("--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--repl-timeout", "5")
        self.servers[port] = self._start(port, home, *quick, *options)
        eventually(lambda: self.client(port).ping(), 20)

    def master(self) -> int:
        """Return the port of the master that the sentinels name."""
        for port in self.sentinels:
            return int(self.client(port).sentinel_master(MASTER)["port"])
        raise LookupError("no sentinel")

    def kill_master(self) -> int:
        """Kill the present master like a power cut; returns its port."""
        port = self.master()
        self.servers.pop(port).close()
        return port

    def client(self, port: int) -> redis.Redis:
        """Return a client for one server or sentinel."""
        return self._stack.enter_context(redis.Redis(port=port, decode_responses=True, socket_timeout=5))

    def _watch(self, master: int) -> None:
        port = free_port()
        home = self._directory / f"sentinel{port}"
        home.mkdir()
        lines = [
            f"sentinel monitor {MASTER} 127.0.0.1 {master} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        (home / "sentinel.conf").write_text("\n".join(lines) + "\n")
        self._start(port, home, "--sentinel", file=home / "sentinel.conf")
        self.sentinels.append(port)

    def _sees_all(self, port: int) -> bool:
        try:
            seen = self.client(port).sentinel_master(MASTER)
        except redis.ConnectionError:
            return False
        return int(seen["num-slaves"]) == 1 and int(seen["num-other-sentinels"]) == 2

    def _start(self, port: int, home: Path, *options: str, file: Path | None = None) -> RunningProcess:
        listen = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home)]
        process = RunningProcess([str(find()), *([str(file)] if file else []), *listen, *options])
        self._stack.callback(process.close)
        return process
