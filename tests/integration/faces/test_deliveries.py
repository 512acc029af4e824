"""Tasks in plain Python's hands: who may end them, and what becomes of those that must not run."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from meetingtasks.deliveries import Deliveries, Delivery
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import NetworkError
from meetingtasks.message_queue import RedisMessageQueue
from meetingtasks.messages import Message, ReceivedMessage
from meetingtasks.settings import Settings
from meetingtasks.states import TaskState
from tests.support.eventually import eventually

TYPE = "custom_task_type_1"
QUEUE = "custom_tasks"


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


def deliveries_of(dispatcher: TaskDispatcher, lease_s: float = 30.0) -> Deliveries:
    return Deliveries(dispatcher.app, dispatcher.store, QUEUE, lease_s=lease_s)


def taken(deliveries: Deliveries) -> Delivery:
    delivery = deliveries.take(10)
    assert delivery is not None
    return delivery


@pytest.mark.parametrize("late_end", ["complete", "fail"])
def test_whoever_comes_too_late_changes_nothing(late_end: str, dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE, "payload": {"n": 1}}).task_id
    first, second = deliveries_of(dispatcher, lease_s=0.3), deliveries_of(dispatcher)
    late = taken(first)
    current = taken(second)
    assert current.task_id == late.task_id == task_id
    if late_end == "complete":
        first.complete(late, "from the first")
    else:
        first.fail(late, NetworkError("from the first"))
    assert dispatcher.get_status(task_id) is TaskState.RUNNING
    assert second.take(0) is None
    second.complete(current, "from the second")
    record = dispatcher.get(task_id)
    assert (record.result, record.retries) == ("from the second", 0)


def test_a_task_whose_workers_always_die_becomes_a_dead_letter(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    deliveries = deliveries_of(dispatcher, lease_s=0.3)
    for _ in range(3):
        assert taken(deliveries).task_id == task_id
    assert deliveries.take(1) is None
    record = dispatcher.get(task_id)
    assert (record.state, record.dead, record.attempt) == (TaskState.FAILED, True, 3)
    assert record.error is not None
    assert record.error.code == "worker_lost"
    assert deliveries.queue.size().leased == 0


def test_a_task_whose_start_by_time_has_passed_expires(dispatcher: TaskDispatcher) -> None:
    until = datetime.now(UTC) + timedelta(seconds=0.2)
    task_id = dispatcher.dispatch({"type": TYPE, "expires_at": until}).task_id
    eventually(lambda: datetime.now(UTC) > until + timedelta(seconds=0.1))
    assert deliveries_of(dispatcher).take(0) is None
    assert dispatcher.get_status(task_id) is TaskState.EXPIRED


def test_a_task_that_is_planned_for_later_is_taken_when_it_is_due(dispatcher: TaskDispatcher) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.5)
    task_id = dispatcher.dispatch({"type": TYPE, "eta": due}).task_id
    deliveries = deliveries_of(dispatcher)
    assert deliveries.take(0) is None
    assert taken(deliveries).task_id == task_id
    assert datetime.now(UTC) - due < timedelta(seconds=0.5)


def test_positional_arguments_are_refused_as_everywhere(dispatcher: TaskDispatcher) -> None:
    sent = dispatcher.app.send_task(f"meetingtasks.custom.{TYPE}", (1, 2), queue=QUEUE)
    assert deliveries_of(dispatcher).take(0) is None
    record = dispatcher.get(sent.id)
    assert record.error is not None
    assert (record.state, record.error.code) == (TaskState.FAILED, "invalid_payload")


def test_an_idle_taker_waits_for_the_server_and_does_not_keep_asking(dispatcher: TaskDispatcher) -> None:
    deliveries = deliveries_of(dispatcher)
    assert deliveries.take(0) is None
    dispatcher.store.client.config_resetstat()
    began = time.monotonic()
    assert deliveries.take(1.0) is None
    assert time.monotonic() - began >= 1.0
    asked = dispatcher.store.client.info("commandstats")
    assert asked["cmdstat_evalsha"]["calls"] < 5
    assert asked["cmdstat_blpop"]["calls"] < 5


def test_records_may_live_on_another_server_than_messages() -> None:
    with EmbeddedServer() as broker, EmbeddedServer() as store:
        settings = Settings(broker_url=broker.url, store_url=store.url)
        with TaskDispatcher(settings=settings) as dispatcher:
            doomed = dispatcher.dispatch({"type": TYPE})
            deliveries = deliveries_of(dispatcher, lease_s=0.3)
            for _ in range(3):
                taken(deliveries)
            assert deliveries.take(1) is None
            assert dispatcher.get(doomed.task_id).dead

            queue = RedisMessageQueue(dispatcher, {"queue_name": QUEUE, "workers": 1, "poll_interval_s": 0.1})

            def handle(message: ReceivedMessage) -> int:
                if message.attempt == 1:
                    raise NetworkError("on purpose")
                return message.attempt

            queue.register_handler(TYPE, handle)
            queue.start()
            (task_id,) = queue.publish_batch([Message(type=TYPE)])
            assert dispatcher.wait(task_id, 20).result == 2
            queue.stop()
