"""A server of its own for each module, and real workers on it."""

import os
import sys
from collections.abc import Callable, Iterator
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
    """One server, an application that sends to it, and the workers that were started on it."""

    def __init__(self, server: EmbeddedServer, diary: Path) -> None:
        install()
        self.server = server
        self.diary = diary
        self.client = redis.Redis.from_url(server.client_url)
        self.app = Celery("tasks_app", broker=server.url, backend=server.url, set_as_current=False)
        self.app.conf.update(task_acks_late=True, broker_transport_options={})
        self._workers = ExitStack()

    def worker(self, *arguments: str, pool: str = "prefork", concurrency: int = 2, **options: float) -> RunningProcess:
        """Start a worker and wait until it consumes; ``options`` are transport options."""
        env = {"BROKER_URL": self.server.url, "RESULT_URL": self.server.url, "DIARY": str(self.diary)}
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

    def written(self) -> list[str]:
        """Return what the tasks wrote, without its times."""
        return [line.split(" ", 1)[1] for line in self.lines()]

    def lines(self) -> list[str]:
        """Return what the tasks wrote: time and text."""
        return self.diary.read_text().splitlines() if self.diary.exists() else []

    def close(self) -> None:
        self._workers.close()
        self.app.close()
        self.client.close()


@pytest.fixture
def fleet(clean_server: EmbeddedServer, tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet without workers on an empty server."""
    started = Fleet(clean_server, tmp_path / "diary")
    yield started
    started.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    """Run a server that only the tests of this module use."""
    with EmbeddedServer() as running:
        yield running


@pytest.fixture(scope="module", params=["prefork", "threads", "solo"])
def pooled(
    request: pytest.FixtureRequest, own_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Give a fleet with one worker, on each kind of pool; the tests of a module share it."""
    started = Fleet(own_server, tmp_path_factory.mktemp("pooled") / "diary")
    started.client.flushall()
    started.worker(pool=request.param)
    yield started
    started.close()


StartFleet = Callable[[], Fleet]
