"""The application in this process, on the test's own server."""

import threading
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from meetingtasks.access import SCOPES, ApiKeys, Scope
from meetingtasks.api import create_api
from meetingtasks.api.server import ApiServer, address_of, listen
from meetingtasks.settings import load
from meetingtasks.store.api_keys import ApiKeyStore
from meetingtasks.store.client import connect


@pytest.fixture
def api(broker_url: str) -> FastAPI:
    return create_api(load(broker_url=broker_url))


@pytest.fixture
def keys(broker_url: str) -> ApiKeys:
    return ApiKeys(ApiKeyStore(connect(broker_url)))


@pytest.fixture
def anonymous(api: FastAPI) -> Iterator[TestClient]:
    with TestClient(api, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(anonymous: TestClient, keys: ApiKeys) -> TestClient:
    """Act as a service with every scope."""
    _, text = keys.create("all", SCOPES)
    anonymous.headers["Authorization"] = f"Bearer {text}"
    return anonymous


def bearer(keys: ApiKeys, *scopes: Scope, user_id: str | None = None) -> dict[str, str]:
    """Return the headers of a new key."""
    return {"Authorization": f"Bearer {keys.create('test', scopes, user_id=user_id)[1]}"}


@pytest.fixture
def url(broker_url: str) -> Iterator[str]:
    """Serve the API over a real socket, to everybody, and give its address."""
    listening = listen("127.0.0.1", 0)
    ready = threading.Event()
    server = ApiServer(create_api(load(broker_url=broker_url), insecure_local=True), on_ready=ready.set)
    thread = threading.Thread(target=server.run, args=([listening],), name="served")
    with listening:
        thread.start()
        assert ready.wait(30)
        yield address_of(listening)
        server.handle_exit(0, None)
        thread.join(30)
        assert not thread.is_alive()
