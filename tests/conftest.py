"""What every test may ask for: a private server, clean for each test, and real processes that are cleaned up."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from meetingtasks.embedded import EmbeddedServer
from tests.support.processes import RunningProcess

# A submission while the broker is away is an error, but where a test names a directory for the outbox.
os.environ.setdefault("MT_OUTBOX_PATH", "off")

# A noisy machine must not fail an example for being slow; the time limit per test still holds.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("ci", derandomize=True, max_examples=100, print_blob=True, **COMMON)
settings.register_profile("search", max_examples=2000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """Run this test process's own server; use `redis_url` or `broker_url` for a clean one."""
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def clean_server(server: EmbeddedServer) -> EmbeddedServer:
    """Empty the same server."""
    with redis.Redis.from_url(server.client_url) as client:
        client.flushall()
    return server


@pytest.fixture
def redis_url(clean_server: EmbeddedServer) -> str:
    """Give an empty server's URL as redis-py takes it (``unix://…``)."""
    return clean_server.client_url


@pytest.fixture
def broker_url(clean_server: EmbeddedServer) -> str:
    """Give an empty server's URL as Celery and kombu take it (``redis+socket://…``)."""
    return clean_server.url


@pytest.fixture
def start_process() -> Iterator[Callable[..., RunningProcess]]:
    """Start a real process with the arguments of `RunningProcess`; it is killed when the test ends."""
    with ExitStack() as started:

        def start(command: Sequence[str], **options: Any) -> RunningProcess:
            process = RunningProcess(command, **options)
            started.callback(process.close)
            return process

        yield start


@pytest.fixture
def start_python(start_process: Callable[..., RunningProcess]) -> Callable[..., RunningProcess]:
    """Start this interpreter on a piece of code with arguments, as `start_process` does."""
    return lambda code, *arguments, **options: start_process([sys.executable, "-u", "-c", code, *arguments], **options)
