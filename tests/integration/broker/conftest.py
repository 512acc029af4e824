"""Fleets: see ``fleet.py``."""

from collections.abc import Iterator

import pytest

from meetingtasks.embedded import EmbeddedServer
from tests.integration.broker.fleet import Fleet, fleet, own_fleet

__all__ = ["fleet", "module_server", "own_fleet", "pooled"]


@pytest.fixture(scope="module")
def module_server() -> Iterator[EmbeddedServer]:
    """Run a server that only the tests of this module use."""
    with EmbeddedServer() as running:
        yield running


@pytest.fixture(scope="module", params=["prefork", "threads", "solo"])
def pooled(
    request: pytest.FixtureRequest, module_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Give a fleet with one worker, on each kind of pool; the tests of a module share it."""
    started = Fleet(module_server, tmp_path_factory.mktemp("pooled") / "diary")
    started.client.flushall()
    started.worker(pool=request.param)
    yield started
    started.close()
