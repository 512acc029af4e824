"""Sending on: once each, whoever does it and wherever it dies."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import TaskConflict
from meetingtasks.outbox.forwarder import Forwarder
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import End, Run
from tests.integration.outbox.conftest import Open
from tests.integration.outbox.test_dispatching import REQUEST, UUID, is_back
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

Queue = Callable[..., LeaseQueue]


@pytest.fixture
def kept(broker: EmbeddedServer, tmp_path: Path) -> TaskDispatcher:
    """Return a dispatcher that has kept two tasks and does not send them on; the broker is there again."""
    dispatcher = TaskDispatcher(settings=load(broker_url=broker.url, outbox_path=tmp_path / "outbox"))
    outbox = dispatcher.outbox
    assert outbox is not None
    broker.kill()
    outbox._ensure_thread = lambda: None  # type: ignore[method-assign] # its duty is done by the test
    for task_id in (UUID, UUID.replace("0001", "0002")):
        assert dispatcher.dispatch({**REQUEST, "task_id": task_id}).status is TaskState.BUFFERED
    broker.restart()
    return dispatcher


def forwarder(dispatcher: TaskDispatcher) -> Forwarder:
    assert dispatcher.outbox is not None
    return Forwarder(dispatcher.outbox.file, dispatcher.outbox.sender)


def dies_before_it_removes(dispatcher: TaskDispatcher) -> None:
    """Send all, and leave the file as if the process had been killed before it removed them."""
    assert dispatcher.outbox is not None
    file, first = dispatcher.outbox.file, forwarder(dispatcher)
    entries = file.claim(first._me, 10)
    first._send(first._still_to_send(entries))
    file.release(first._me)


def test_what_was_sent_but_not_removed_is_one_task(kept: TaskDispatcher, queue: Queue) -> None:
    dies_before_it_removes(kept)
    assert queue().size().total_ready == 2
    assert forwarder(kept).forward() == 2
    assert (queue().size().total_ready, queue().size().counters["enqueued"]) == (2, 2)
    assert kept.get_stats()["total_dispatched"] == 2
    kept.stop()


def test_what_was_sent_but_not_removed_and_has_run_does_not_run_again(
    kept: TaskDispatcher, queue: Queue, broker: EmbeddedServer
) -> None:
    dies_before_it_removes(kept)
    started = kept.store.start(UUID, Run(token=UUID, worker="w", pid=1), retries=0, otherwise={})
    assert started
    kept.store.finish(UUID, UUID, End(state=TaskState.COMPLETED, result={"n": 1}))
    connect(broker.url).delete(*connect(broker.url).keys("mq:*"))  # as long after as nobody remembers its message
    assert forwarder(kept).forward() == 2
    assert queue().size().total_ready == 1
    assert kept.get_status(UUID) is TaskState.COMPLETED
    kept.stop()


def test_the_id_of_another_task_is_not_used_again(kept: TaskDispatcher, queue: Queue, open_dispatcher: Open) -> None:
    other = open_dispatcher(outbox_path="off")
    other.dispatch({**REQUEST, "payload": {"n": 2}, "task_id": UUID})
    assert kept.outbox is not None
    assert kept.outbox.file.cancel(UUID, reason="mine", actor="me")  # not the other one, which has its id
    assert forwarder(kept).forward() == 2
    assert other.get_status(UUID) is TaskState.PENDING
    assert queue().size().total_ready == 2
    assert other.get(UUID).payload == {"n": 2}
    kept.stop()


def test_a_task_that_the_broker_refuses_keeps_back_no_other(
    kept: TaskDispatcher, queue: Queue, broker: EmbeddedServer
) -> None:
    outbox = kept.outbox
    assert outbox is not None
    broker.kill()
    kept.dispatch({"type": "custom_task_type_1", "payload": {"n": 1}, "priority": "critical", "queue": "custom_tasks"})
    refused = kept.dispatch({"type": "emotion_detection", "payload": {"text": "a"}, "priority": "critical"}).task_id
    broker.restart()
    messages = LeaseQueue(connect(broker.url, as_bytes=True), "ai_tasks").keys.messages
    connect(broker.url).set(messages, "no hash")
    sending = forwarder(kept)
    assert sending.forward() == 3
    assert sending.forward() == 0
    assert queue().size().total_ready == 3
    entry = outbox.file.find(refused)
    assert entry is not None
    assert "WRONGTYPE" in entry.problem
    kept.stop()


def test_a_worker_sends_on_what_a_dead_process_left(
    kept: TaskDispatcher, broker: EmbeddedServer, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> None:
    env = {"MT_BROKER_URL": broker.url, "MT_OUTBOX_PATH": str(tmp_path / "outbox")}
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.support.sample_service",
        "worker",
        "-P",
        "solo",
        "-l",
        "INFO",
    ]
    start_process([*command, "--without-gossip", "--without-mingle"], env=env)
    eventually(lambda: kept.get_status(UUID) is TaskState.COMPLETED, within_s=60)
    assert kept.outbox is not None
    assert eventually(lambda: kept.outbox is not None and kept.outbox.file.totals().tasks == 0)
    kept.stop()


def test_records_may_be_on_another_server(
    broker: EmbeddedServer, broker_url: str, open_dispatcher: Open, queue: Queue
) -> None:
    dispatcher = open_dispatcher(store_url=broker_url)
    broker.kill()
    single, *batch = [dispatcher.dispatch(REQUEST), *dispatcher.dispatch_batch([REQUEST, REQUEST])]
    assert [answer.status for answer in (single, *batch)] == [TaskState.BUFFERED] * 3
    broker.restart()
    is_back(dispatcher)
    assert [dispatcher.get_status(answer.task_id) for answer in (single, *batch)] == [TaskState.PENDING] * 3
    assert queue().size().total_ready == 3
    assert dispatcher.get_stats()["total_dispatched"] == 3
    assert dispatcher.dispatch({**REQUEST, "task_id": UUID}).status is TaskState.PENDING
    with pytest.raises(TaskConflict):
        dispatcher.dispatch({**REQUEST, "task_id": UUID})
    assert queue().size().total_ready == 4
