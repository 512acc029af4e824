"""A worker with its own server, and the producer's side of its service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.records import TaskRecord
from meetingtasks.settings import Settings
from meetingtasks.task import Service
from meetingtasks.task_types import CATALOGUE
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

TYPE = "custom_task_type_1"


class Limited:
    """A server, a dispatcher, workers on demand."""

    def __init__(self, server: EmbeddedServer, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack
        self.dispatcher = stack.enter_context(TaskDispatcher(server.url))
        service = Service("custom-service", queue="custom_tasks", settings=Settings(broker_url=server.url))
        self._task: Any = service.declare(CATALOGUE.get(TYPE), never_called)

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> RunningProcess:
        """Start a worker, wait until it is ready."""
        command = [sys.executable, "-m", "celery", "-A", "tests.integration.limits.limits_service", "worker"]
        about = {"MT_BROKER_URL": self.server.url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(ROOT), **(env or {})}
        quiet = ("-l", "INFO", "--without-gossip", "--without-mingle", "-n", f"w{os.urandom(3).hex()}@test")
        worker = RunningProcess([*command, *quiet, *options], env=about)
        self._stack.callback(worker.close)
        worker.wait_for_line("ready.", 60)
        return worker

    def submit(self, payload: Mapping[str, Any], limits: tuple[float, float] = (60, 75), **about: Any) -> str:
        """Submit with soft and hard limit and fields of a request; returns the task's id."""
        soft_s, hard_s = limits
        options = {"soft_time_limit": soft_s, "time_limit": hard_s, "headers": {"mt_record": about}}
        return str(self._task.apply_async(kwargs=dict(payload), **options).id)

    def ended(self, task_id: str) -> TaskRecord:
        """Return the record of a task that has ended."""

        def over() -> TaskRecord | None:
            record = self.dispatcher.get(task_id)
            return record if record.state.is_final else None

        found = eventually(over, 60)
        assert found is not None
        return found

    def run(self, payload: Mapping[str, Any], limits: tuple[float, float] = (60, 75), **about: Any) -> TaskRecord:
        """Submit and wait for the end."""
        return self.ended(self.submit(payload, limits, **about))


def never_called(payload: object, ctx: object) -> None:
    """Stand for a function that only workers run."""


@contextmanager
def limited_fleet() -> Iterator[Limited]:
    with ExitStack() as stack:
        yield Limited(stack.enter_context(EmbeddedServer()), stack)


@pytest.fixture(scope="module")
def prefork() -> Iterator[Limited]:
    """Give a worker with two processes for this file's tests."""
    with limited_fleet() as fleet:
        fleet.start("-P", "prefork", "-c", "2")
        yield fleet


@pytest.fixture
def fleet() -> Iterator[Limited]:
    """Give a server of this test's own, without a worker."""
    with limited_fleet() as own:
        yield own
