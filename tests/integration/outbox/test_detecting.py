"""What counts as away: refused, silent, full, no answer to what was sent; and what does not."""

import logging
from collections.abc import Callable

import pytest

from meetingtasks.broker import LeaseQueue, scripts
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import BrokerUnavailable
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from tests.integration.broker.proxy import Proxy
from tests.integration.outbox.conftest import Open
from tests.integration.outbox.test_dispatching import REQUEST, UUID, is_back
from tests.support.eventually import eventually

Queue = Callable[..., LeaseQueue]


def test_f17_a_silent_link_ends_in_the_outbox(open_dispatcher: Open, proxy: Proxy, by_proxy: str, queue: Queue) -> None:
    dispatcher = open_dispatcher(by_proxy)
    dispatcher.dispatch(REQUEST)
    proxy.fall_silent()
    assert [dispatcher.dispatch(REQUEST).status for _ in range(3)] == [TaskState.BUFFERED] * 3
    proxy.recover()
    is_back(dispatcher)
    assert queue().size().total_ready == 4
    assert dispatcher.get_stats()["total_dispatched"] == 4


@pytest.mark.parametrize("chosen", [{}, {"task_id": UUID}], ids=["new id", "chosen id"])
def test_a_task_that_arrived_although_its_reply_did_not_is_one_task(
    open_dispatcher: Open, proxy: Proxy, by_proxy: str, queue: Queue, chosen: dict[str, str]
) -> None:
    dispatcher = open_dispatcher(by_proxy)
    dispatcher.dispatch(REQUEST)
    proxy.swallow_reply_to(scripts.load("enqueue").sha.encode())
    proxy.take_no_more()
    kept = dispatcher.dispatch({**REQUEST, **chosen})
    assert proxy.swallowed.wait(10)
    assert kept.status is TaskState.BUFFERED
    assert queue().size().total_ready == 2  # it has arrived all the same
    proxy.recover()
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.PENDING
    assert queue().size().total_ready == 2
    assert queue().size().counters["enqueued"] == 2
    assert dispatcher.get_stats()["total_dispatched"] == 2


def test_a_task_that_may_have_arrived_is_told_of_its_cancellation_later(
    open_dispatcher: Open, proxy: Proxy, by_proxy: str, queue: Queue
) -> None:
    dispatcher = open_dispatcher(by_proxy)
    dispatcher.dispatch(REQUEST)
    proxy.swallow_reply_to(scripts.load("enqueue").sha.encode())
    proxy.take_no_more()
    kept = dispatcher.dispatch(REQUEST).task_id
    proxy.refuse()
    assert dispatcher.cancel(kept) == "running"  # nobody can say that it never starts
    proxy.recover()
    is_back(dispatcher)
    assert dispatcher.get_status(kept) is TaskState.CANCELLED
    eventually(lambda: dispatcher.get_stats()["active_tasks"] == 1)


def test_a_reply_that_was_lost_once_needs_no_outbox(
    open_dispatcher: Open, proxy: Proxy, by_proxy: str, queue: Queue
) -> None:
    dispatcher = open_dispatcher(by_proxy)
    dispatcher.dispatch(REQUEST)
    proxy.swallow_reply_to(scripts.load("enqueue").sha.encode())
    assert dispatcher.dispatch(REQUEST).status is TaskState.PENDING
    assert proxy.swallowed.is_set()
    assert queue().size().total_ready == 2


def test_a_server_without_memory_is_away(dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue) -> None:
    dispatcher.dispatch(REQUEST)
    client = connect(broker.url)
    client.config_set("maxmemory", "1")
    kept = dispatcher.dispatch(REQUEST)
    assert kept.status is TaskState.BUFFERED
    assert dispatcher.get_status(kept.task_id) is TaskState.BUFFERED
    client.config_set("maxmemory", "0")
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.PENDING
    assert queue().size().total_ready == 2


def test_a_replica_takes_nothing_and_is_away(dispatcher: TaskDispatcher, broker: EmbeddedServer) -> None:
    client = connect(broker.url)
    client.replicaof("127.0.0.1", "1")
    assert dispatcher.dispatch(REQUEST).status is TaskState.BUFFERED
    client.replicaof("NO", "ONE")
    is_back(dispatcher)


def test_a_wrong_password_is_told_and_keeps_nothing(open_dispatcher: Open, broker: EmbeddedServer) -> None:
    wrong = broker.url.replace("@", "wrong@")
    with pytest.raises(BrokerUnavailable, match="invalid username-password pair"):
        open_dispatcher(wrong)


def test_a_dispatcher_starts_while_the_broker_is_away(open_dispatcher: Open, broker: EmbeddedServer) -> None:
    broker.kill()
    dispatcher = open_dispatcher()
    assert dispatcher.dispatch(REQUEST).status is TaskState.BUFFERED
    broker.restart()
    is_back(dispatcher)


def test_coming_and_going_is_logged_once_each(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "meetingtasks.outbox")
    broker.kill()
    for _ in range(5):
        dispatcher.dispatch(REQUEST)
    broker.restart()
    is_back(dispatcher)
    told = [vars(record) for record in caplog.records if "event" in vars(record)]
    assert [line["event"] for line in told] == ["broker.down", "broker.up"]
    assert told[1]["buffered"] == 5


def test_a_connection_that_was_cut_while_it_lay_idle_is_made_anew(
    dispatcher: TaskDispatcher, broker: EmbeddedServer
) -> None:
    dispatcher.dispatch(REQUEST)
    broker.restart()
    assert dispatcher.dispatch(REQUEST).status is TaskState.PENDING
    eventually(lambda: dispatcher.get_stats()["total_dispatched"] == 2)
