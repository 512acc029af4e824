"""One server, an application that sends to it, and real workers on it."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from meetingtasks.broker import LeaseQueue, install
from meetingtasks.embedded import EmbeddedServer
from tests.support.processes import RunningProcess

APP = "tests.integration.broker.tasks_app"


class Fleet:
    """The workers note in a diary what they start and end; see ``tasks_app``."""

    def __init__(self, server: EmbeddedServer, diary: Path) -> None:
        install()
        self.server = server
        self.diary = diary
        self.client = redis.Redis.from_url(server.client_url)
        self.app = Celery("tasks_app", broker=server.url, backend=server.url, set_as_current=False)
        self._workers = ExitStack()

    def worker(
        self, *arguments: str, pool: str = "prefork", concurrency: int = 2, broker: str = "", **options: float
    ) -> RunningProcess:
        """Start a worker and wait until it consumes; ``options`` are transport options."""
        env = {"BROKER_URL": broker or self.server.url, "RESULT_URL": self.server.url, "DIARY": str(self.diary)}
        env |= {f"OPTION_{name}": str(value) for name, value in options.items()}
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", APP, "worker", "-l", "info"]
        command += ["-P", pool, "-c", str(concurrency), "-n", f"w{os.urandom(3).hex()}@here", *arguments]
        process = RunningProcess(command, env=env)
        self._workers.callback(process.close)
        process.wait_for_line("ready.")
        return process

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        """Send a task of the workers' application."""
        return self.app.send_task(f"{APP}.{name}", args, **options)

    def queue(self, name: str = "celery") -> LeaseQueue:
        """Look at a queue."""
        return LeaseQueue(self.client, name)

    def at(self, text: str) -> float:
        """Return when a line of the diary that begins so was written; raises `LookupError` when there is none."""
        for line in self.lines():
            when, _, written = line.partition(" ")
            if written.startswith(text):
                return float(when)
        raise LookupError(text)

    def times(self, text: str) -> int:
        """Count the lines of the diary that begin so."""
        return sum(line.startswith(text) for line in self.written())

    def written(self) -> list[str]:
        """Return what the tasks wrote, without its times."""
        return [line.split(" ", 1)[1] for line in self.lines()]

    def lines(self) -> list[str]:
        """Return what the tasks wrote: time and text."""
        return self.diary.read_text().splitlines() if self.diary.exists() else []

    def close(self) -> None:
        """End the workers and the connections."""
        self._workers.close()
        self.app.close()
        self.client.close()


@pytest.fixture
def fleet(clean_server: EmbeddedServer, tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet without workers on an empty server."""
    started = Fleet(clean_server, tmp_path / "diary")
    yield started
    started.close()


@pytest.fixture
def own_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet on a server that the test may kill; it listens on a port."""
    with EmbeddedServer(port=0) as server:
        started = Fleet(server, tmp_path / "diary")
        yield started
        started.close()
