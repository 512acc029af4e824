"""The connection breaks while a requeue's answer is on its way: it was done, and is not done a second time."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from meetingtasks.dead_letters import Redrive, RedrivePlan, Where
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.store import keys
from meetingtasks.store.scripts import load
from tests.integration.broker.proxy import Proxy
from tests.support.dead_letters import Graveyard

MARKER = load("dead_requeue").sha.encode()


@pytest.fixture
def server_on_a_port() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(port=0) as running:
        yield running


@pytest.fixture
def proxy(server_on_a_port: EmbeddedServer) -> Iterator[Proxy]:
    opened = Proxy(urlsplit(server_on_a_port.url).port or 0)
    yield opened
    opened.close()


@pytest.fixture
def yard(server_on_a_port: EmbeddedServer) -> Iterator[Graveyard]:
    with TaskDispatcher(server_on_a_port.url) as dispatcher:
        yield Graveyard(dispatcher)


@pytest.fixture
def behind(server_on_a_port: EmbeddedServer, proxy: Proxy) -> Iterator[Graveyard]:
    """Give the same fleet, as it is seen through the proxy."""
    url = urlsplit(server_on_a_port.url)
    with TaskDispatcher(server_on_a_port.url.replace(f":{url.port}", f":{proxy.port}")) as dispatcher:
        yield Graveyard(dispatcher)


def test_a_lost_reply_neither_loses_nor_doubles_a_letter(yard: Graveyard, behind: Graveyard, proxy: Proxy) -> None:
    ids = yard.bury_many(30)
    behind.letters.count()
    proxy.swallow_reply_to(MARKER)
    outcome = behind.letters.requeue(ids, actor="me")
    assert proxy.swallowed.is_set()
    assert (list(outcome.task_ids), dict(outcome.refused)) == (ids, {})
    assert yard.check(ids) == (set(), set(ids))
    assert {yard.record(task_id).generation for task_id in ids} == {2}
    assert len(yard.letters.audit(1000)) == 30


def test_a_lost_reply_does_not_move_a_redrives_counts(yard: Graveyard, behind: Graveyard, proxy: Proxy) -> None:
    ids = yard.bury_many(60)
    for task_id in ids[::2]:
        yard.store.client.hdel(keys.task(task_id), "payload")  # cannot be sent again
    planned = behind.letters.redrives.plan(Where(), RedrivePlan(rate_per_s=500), actor="me")

    armed: list[Redrive] = []

    def swallow(now: Redrive) -> None:
        if not armed:
            armed.append(now)
            proxy.swallow_reply_to(b"HINCRBY")  # of the first step, which has a letter that is refused

    ended = behind.letters.redrives.drive(planned.id, actor="me", on_progress=swallow)
    assert proxy.swallowed.is_set()
    assert (ended.state, ended.requeued, ended.refused) == ("done", 30, 30)
    assert yard.waiting() == ids[1::2]
