"""A dispatcher on this test's own server, and workers for it."""

import sys
from collections.abc import Callable, Iterator

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from tests.support.processes import ROOT, RunningProcess


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def start_odd_worker(broker_url: str, start_process: Callable[..., RunningProcess]) -> Callable[..., RunningProcess]:
    """Return a function that starts a worker of ``odd_service`` and waits until it is ready."""

    def start(*options: str, **variables: str) -> RunningProcess:
        command = [sys.executable, "-m", "celery", "-A", "tests.integration.core.odd_service", "worker", "-l", "INFO"]
        env = {"MT_BROKER_URL": broker_url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(ROOT), **variables}
        worker = start_process([*command, *(options or ("-P", "threads", "-c", "2"))], env=env)
        worker.wait_for_line("ready.")
        return worker

    return start
