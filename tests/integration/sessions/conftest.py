"""Real API processes, a real worker, and a small client of the WebSocket protocol."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import SHUT_RDWR
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from meetingtasks.access import SCOPES, ApiKeys
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.sessions import ClientTaskManager
from meetingtasks.settings import load
from meetingtasks.store.api_keys import ApiKeyStore
from meetingtasks.store.client import connect as connect_store
from tests.support.processes import RunningProcess

SERVE = """
from meetingtasks.api import create_api
from meetingtasks.api.server import ApiServer, listen
listening = listen("127.0.0.1", 0)
port = listening.getsockname()[1]
ApiServer(create_api(), on_ready=lambda: print("port", port, flush=True)).run([listening])
"""
WITHIN_S = 20.0


def settings_of(broker_url: str) -> dict[str, str]:
    return {"MT_BROKER_URL": broker_url, "MT_CLIENT_TASK_TYPES": '["custom_task_type_1"]'}


class Api:
    """An API process."""

    def __init__(self, process: RunningProcess) -> None:
        self.process = process
        self.port = int(process.wait_for_line("port ", 60).split()[1])
        self.url = f"ws://127.0.0.1:{self.port}/api/v1/ws"


class WsClient:
    """Speaks frames; collects everything that it gets."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.got: list[dict[str, Any]] = []

    def say(self, kind: str, data: dict[str, Any] | None = None, **about: Any) -> None:
        self.socket.send(json.dumps({"v": 1, "type": kind, "data": data or {}, **about}))

    def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.socket.recv(WITHIN_S))
        self.got.append(frame)
        return frame

    def until(self, *kinds: str) -> dict[str, Any]:
        """Read on until a frame of one of these types."""
        while (frame := self.next())["type"] not in kinds:
            pass
        return frame

    def ask(self, kind: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Say something and return what answers it."""
        self.say(kind, data, id="ask")
        while (frame := self.next())["id"] != "ask":
            pass
        return frame

    def hello(self, token: str, **about: Any) -> dict[str, Any]:
        self.say("hello", {"token": token, **about}, id="hello")
        return self.next()["data"]

    def cut(self) -> None:
        """Go without a word."""
        self.socket.socket.shutdown(SHUT_RDWR)
        self.socket.close()

    def close_code(self) -> int:
        """Read on until the server ends the connection; return its code."""
        with pytest.raises(ConnectionClosed) as ended:
            self.until("the end")
        assert ended.value.rcvd is not None, "the connection broke off"
        return ended.value.rcvd.code


@pytest.fixture
def start_api(start_python: Callable[..., RunningProcess], broker_url: str) -> Callable[..., Api]:
    """Start an API process of the test's own, with settings."""
    return lambda **more: Api(start_python(SERVE, env={**settings_of(broker_url), **more}))


@pytest.fixture(scope="module")
def standing_api(server: EmbeddedServer) -> Iterator[Api]:
    process = RunningProcess([sys.executable, "-c", SERVE], env=settings_of(server.url))
    try:
        yield Api(process)
    finally:
        process.close()


@pytest.fixture
def api(standing_api: Api, clean_server: EmbeddedServer) -> Api:
    """Give the API process that the tests of a module share."""
    return standing_api


@pytest.fixture
def token(broker_url: str) -> str:
    keys = ApiKeys(ApiKeyStore(connect_store(broker_url)))
    return keys.create("browser", SCOPES, user_id="7")[1]


@pytest.fixture
def open_client() -> Iterator[Callable[[Api], WsClient]]:
    with ExitStack() as opened:
        yield lambda api: WsClient(opened.enter_context(connect(api.url, max_size=None, compression=None)))


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(settings=load(broker_url=broker_url)) as started:
        yield started


@pytest.fixture
def manager(dispatcher: TaskDispatcher, broker_url: str) -> Iterator[ClientTaskManager]:
    settings = load(broker_url=broker_url, client_task_types=["custom_task_type_1"])
    with ClientTaskManager(dispatcher, settings=settings) as started:
        yield started
