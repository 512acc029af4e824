"""Buses on this test's own empty server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from meetingtasks.events import RedisPubSubQueue


@pytest.fixture
def open_bus(broker_url: str) -> Iterator[Callable[..., RedisPubSubQueue]]:
    """Make buses that are stopped when the test ends; on the test's server unless the caller names another."""
    with ExitStack() as stack:

        def make(url: str = broker_url, **options: Any) -> RedisPubSubQueue:
            bus = RedisPubSubQueue(url, **options)
            stack.callback(bus.stop)
            return bus

        yield make
