"""A server that a test may stop, behind a proxy where it wants one, and dispatchers with an outbox."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.settings import load
from meetingtasks.store.client import connect
from tests.integration.broker.proxy import Proxy

Open = Callable[..., TaskDispatcher]


@pytest.fixture
def broker() -> Iterator[EmbeddedServer]:
    """Run a server of this test's own on a port."""
    with EmbeddedServer(port=0) as server:
        yield server


@pytest.fixture
def proxy(broker: EmbeddedServer) -> Iterator[Proxy]:
    opened = Proxy(urlsplit(broker.url).port or 0)
    yield opened
    opened.close()


@pytest.fixture
def by_proxy(broker: EmbeddedServer, proxy: Proxy) -> str:
    return broker.url.replace(f":{urlsplit(broker.url).port}", f":{proxy.port}")


@pytest.fixture
def open_dispatcher(broker: EmbeddedServer, tmp_path: Path) -> Iterator[Open]:
    """Open dispatchers that keep tasks in ``tmp_path/outbox``, with further settings."""
    with ExitStack() as opened:

        def start(url: str | None = None, **settings: Any) -> TaskDispatcher:
            given = {"broker_url": url or broker.url, "outbox_path": tmp_path / "outbox", **settings}
            return opened.enter_context(TaskDispatcher(settings=load(**given)))

        yield start


@pytest.fixture
def dispatcher(open_dispatcher: Open) -> TaskDispatcher:
    return open_dispatcher()


@pytest.fixture
def queue(broker: EmbeddedServer) -> Callable[..., LeaseQueue]:
    return lambda name="custom_tasks": LeaseQueue(connect(broker.url, as_bytes=True), name)
