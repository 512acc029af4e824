"""The smoke suite of ``make test-docker``: our workers on the containers that Celery's own pytest plugin brings."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import docker
import pytest
from docker.errors import DockerException
from pytest_celery import RedisTestBroker

from meetingtasks.dispatcher import TaskDispatcher
from tests.support.processes import ROOT, RunningProcess


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything, and say why, when no Docker engine answers."""
    try:
        with docker.from_env() as engine:
            engine.ping()
    except DockerException as error:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"no Docker engine answers: {error}"))


@pytest.fixture
def container_url(celery_redis_broker: RedisTestBroker) -> str:
    """Give the URL of a Redis server in a container, as this machine reaches it."""
    return str(celery_redis_broker.container.celeryconfig["host_url"])


@pytest.fixture
def dispatcher(container_url: str) -> Iterator[TaskDispatcher]:
    """Give a dispatcher on the container."""
    with TaskDispatcher(container_url) as running:
        yield running


@pytest.fixture
def start_worker(container_url: str) -> Iterator[Callable[[], RunningProcess]]:
    """Start a worker of this machine on the container; it is killed when the test ends."""
    with ExitStack() as started:

        def start() -> RunningProcess:
            command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker"]
            env = {"MT_BROKER_URL": container_url, "PYTHONPATH": str(ROOT)}
            worker = RunningProcess([*command, "-l", "INFO", "-c", "1"], env=env)
            started.callback(worker.close)
            worker.wait_for_line("ready.")
            return worker

        yield start
