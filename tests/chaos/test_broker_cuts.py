"""Replies are lost, links fall silent or flap; each accepted task runs, and runs once."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from celery import Celery

from meetingtasks.broker import scripts
from tests.integration.broker.fleet import APP, Fleet, own_fleet
from tests.integration.broker.proxy import Proxy
from tests.support.eventually import eventually

__all__ = ["own_fleet"]
pytestmark = pytest.mark.chaos


@pytest.fixture
def proxy(own_fleet: Fleet) -> Iterator[Proxy]:
    opened = Proxy(urlsplit(own_fleet.server.url).port or 0)
    yield opened
    opened.close()


@pytest.fixture
def by_proxy(own_fleet: Fleet, proxy: Proxy) -> str:
    url = urlsplit(own_fleet.server.url)
    return own_fleet.server.url.replace(f":{url.port}", f":{proxy.port}")


def marker(script: str) -> bytes:
    return scripts.load(script).sha.encode()


@pytest.mark.parametrize("command", ["fetch", "renew", "ack", "release", "reject"])
def test_f19_a_lost_reply_neither_loses_nor_doubles(
    own_fleet: Fleet, proxy: Proxy, by_proxy: str, command: str
) -> None:
    own_fleet.worker(broker=by_proxy, lease_s=4, renew_s=0.5)
    proxy.swallow_reply_to(marker(command))
    own_fleet.send("nap", "first", 1.2)
    if command in ("release", "reject"):
        own_fleet.send("die", "poison")
        eventually(lambda: own_fleet.queue().size().dead == 1, within_s=30)
        assert own_fleet.times("start poison") <= 3
    else:
        for i in range(10):
            own_fleet.send("add", i, i)
        eventually(lambda: own_fleet.times("add") >= 10, within_s=20)
        assert own_fleet.times("add") == 10
    assert proxy.swallowed.wait(20) or command == "ack"
    eventually(lambda: own_fleet.queue().size().leased == 0, within_s=20)
    assert (own_fleet.times("start first"), own_fleet.times("end first")) == (1, 1)


def test_f19_a_publish_whose_reply_is_lost_is_repeated_and_runs_once(
    own_fleet: Fleet, proxy: Proxy, by_proxy: str
) -> None:
    own_fleet.worker()
    with Celery("far", broker=by_proxy, set_as_current=False) as far:
        far.send_task(f"{APP}.add", (0, 0))
        proxy.swallow_reply_to(marker("enqueue"))
        far.send_task(f"{APP}.add", (1, 1))
    assert proxy.swallowed.wait(5)
    eventually(lambda: own_fleet.queue().size().counters["acked"] == 2)
    assert own_fleet.times("add") == 2
    assert own_fleet.queue().size().counters["enqueued"] == 2


def test_f17_a_silent_link_is_noticed_and_left(own_fleet: Fleet, proxy: Proxy, by_proxy: str) -> None:
    # Celery's own heartbeats block its event loop while they wait for the same server
    worker = own_fleet.worker("--without-heartbeat", "--without-gossip", broker=by_proxy, socket_timeout=2)
    proxy.fall_silent()
    own_fleet.send("add", 1, 1)
    # whatever waits for an answer first
    noticed = ("The server does not answer", "Connection to broker lost")
    eventually(lambda: any(line in worker.output for line in noticed), within_s=10)
    proxy.recover()
    eventually(lambda: own_fleet.times("add") == 1, within_s=10)


def test_f18_a_flapping_link_loses_nothing(own_fleet: Fleet, proxy: Proxy, by_proxy: str) -> None:
    worker = own_fleet.worker(broker=by_proxy)
    for i in range(60):
        own_fleet.send("nap", f"task{i}", 0.05)
        if i % 10 == 5:
            done = own_fleet.times("end")
            proxy.cut()
            eventually(lambda done=done: own_fleet.times("end") > done, within_s=15)
    eventually(lambda: own_fleet.queue().size().counters["acked"] == 60, within_s=30)
    assert own_fleet.times("start") == 60
    assert worker.popen.poll() is None


def test_a_cut_under_a_running_task_does_not_run_it_again(own_fleet: Fleet, proxy: Proxy, by_proxy: str) -> None:
    own_fleet.worker(broker=by_proxy, concurrency=2)
    own_fleet.send("nap", "long", 4)
    eventually(lambda: own_fleet.times("start long") == 1)
    proxy.cut()
    own_fleet.send("add", 1, 1)
    eventually(lambda: own_fleet.times("add") == 1)
    eventually(lambda: own_fleet.queue().size().counters["acked"] == 2)
    assert own_fleet.times("start long") == 1
