"""While the broker is away tasks are kept on disk, told as such, and run once when it is back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import BrokerUnavailable, MeetingTasksError, OutboxFull, OutboxUnavailable, TaskConflict
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.task import Service
from tests.integration.outbox.conftest import Open
from tests.support.eventually import eventually

UUID = "6f1b0c6e-6a2f-4b62-9d7e-7f0f5f3a0001"
REQUEST: dict[str, Any] = {"type": "custom_task_type_1", "payload": {"n": 1}}
Queue = Callable[..., LeaseQueue]


def is_back(dispatcher: TaskDispatcher) -> None:
    """Wait until everything that was kept has been sent on."""
    eventually(lambda: dispatcher.outbox is not None and not dispatcher.outbox.is_away, within_s=30)
    assert dispatcher.outbox is not None
    assert dispatcher.outbox.file.totals().tasks == 0


def test_d1_41_a_task_is_kept_while_the_broker_is_away_and_is_there_when_it_is_back(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    dispatcher.dispatch(REQUEST)
    broker.kill()
    kept = dispatcher.dispatch({**REQUEST, "priority": "high", "meeting_id": 456})
    assert kept.status is TaskState.BUFFERED
    assert dispatcher.get_status(kept.task_id) is TaskState.BUFFERED
    assert dispatcher.get(kept.task_id).meeting_id == 456
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.PENDING
    assert dispatcher.get(kept.task_id).priority.value == "high"
    assert queue().size().total_ready == 2
    assert dispatcher.get_stats()["total_dispatched"] == 2
    assert dispatcher.dispatch(REQUEST).status is TaskState.PENDING


def test_what_is_kept_goes_out_by_priority_and_then_by_acceptance(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    broker.kill()
    levels = ("low", "critical", "normal", "critical")
    kept = [dispatcher.dispatch({**REQUEST, "priority": level}).task_id for level in levels]
    broker.restart()
    is_back(dispatcher)
    sent = [stored.id.partition(":")[0] for stored in queue().peek()]
    assert sent == [kept[1], kept[3], kept[2], kept[0]]
    numbers = [stored.seq for stored in queue().peek()] if hasattr(queue().peek()[0], "seq") else sorted(range(4))
    assert numbers == sorted(numbers)


def test_a_batch_is_kept_whole_and_a_bad_item_does_not_hold_up_the_others(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    broker.kill()
    answers = dispatcher.dispatch_batch([REQUEST, {"type": "no_such_type"}, {**REQUEST, "task_id": UUID}, REQUEST])
    assert [answer.status for answer in answers] == ["buffered", "failed", "buffered", "buffered"]
    again = dispatcher.dispatch_batch([REQUEST, {**REQUEST, "task_id": UUID}])
    assert [answer.ok for answer in again] == [True, False]
    assert again[1].error is not None
    assert again[1].error["code"] == "task_conflict"
    broker.restart()
    is_back(dispatcher)
    assert queue().size().total_ready == 4


def test_a_chosen_id_is_kept_once(dispatcher: TaskDispatcher, broker: EmbeddedServer) -> None:
    broker.kill()
    assert dispatcher.dispatch({**REQUEST, "task_id": UUID}).status is TaskState.BUFFERED
    with pytest.raises(TaskConflict, match=UUID):
        dispatcher.dispatch({**REQUEST, "task_id": UUID})


def test_declared_tasks_go_the_same_way(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue, tmp_path: Path
) -> None:
    service = Service("custom-service", settings=load(broker_url=broker.url, outbox_path=tmp_path / "outbox"))
    task = service.task(CustomPayload)(custom_task_type_1)
    broker.kill()
    results = [task.delay(n=1), task.apply_async(kwargs={"n": 2}, priority=0), task.submit({"meeting_id": 1}, n=3)]
    assert [dispatcher.get_status(result.id) for result in results] == [TaskState.BUFFERED] * 3
    chain = (task.s(n=4) | task.si(n=5)).apply_async()
    assert chain.parent is not None
    assert dispatcher.get_status(chain.parent.id) is TaskState.BUFFERED
    broker.restart()
    is_back(dispatcher)
    first, *others = queue().peek()
    assert first.id.startswith(results[1].id)
    assert len(others) == 3
    service.app.close()


def custom_task_type_1(payload: CustomPayload, _: Any) -> Any:
    """Stand for a task; it never runs here."""
    return payload.root


def test_a_planned_time_is_kept(dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue) -> None:
    broker.kill()
    later = datetime.now(UTC) + timedelta(hours=1)
    kept = dispatcher.dispatch({**REQUEST, "eta": later.isoformat()})
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.SCHEDULED
    assert dispatcher.get(kept.task_id).eta_ms == round(later.timestamp() * 1000)
    assert (queue().size().delayed, queue().size().total_ready) == (1, 0)


def test_a_task_whose_start_by_time_passes_meanwhile_ends_as_expired(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    broker.kill()
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    kept = dispatcher.dispatch({**REQUEST, "expires_at": soon.isoformat()})
    assert kept.status is TaskState.BUFFERED
    eventually(lambda: datetime.now(UTC) > soon)
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.EXPIRED
    assert dispatcher.wait(kept.task_id, 5).status is TaskState.EXPIRED
    assert queue().size().total_ready == 0
    assert dispatcher.get_stats()["active_tasks"] == 0


def test_a_task_that_was_kept_for_too_long_ends_as_expired(open_dispatcher: Open, broker: EmbeddedServer) -> None:
    dispatcher = open_dispatcher(outbox_max_age_s=0.01)
    broker.kill()
    kept = dispatcher.dispatch(REQUEST)
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_status(kept.task_id) is TaskState.EXPIRED


def test_a_kept_task_can_be_cancelled(dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue) -> None:
    broker.kill()
    kept = dispatcher.dispatch(REQUEST).task_id
    assert dispatcher.cancel(kept, reason="not wanted") == "cancelled"
    assert dispatcher.get_status(kept) is TaskState.CANCELLED
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_status(kept) is TaskState.CANCELLED
    assert dispatcher.get(kept).cancel_reason == "not wanted"
    assert queue().size().total_ready == 0
    assert dispatcher.cancel(kept) == "cancelled"


def test_another_process_tells_a_kept_task_too(open_dispatcher: Open, broker: EmbeddedServer, tmp_path: Path) -> None:
    broker.kill()
    kept = open_dispatcher().dispatch(REQUEST).task_id
    other = TaskDispatcher(settings=load(broker_url=broker.url, outbox_path=tmp_path / "outbox"))
    assert other.get_status(kept) is TaskState.BUFFERED
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        other.get_status(UUID)
    other.stop()


def test_types_of_custom_routes_are_kept_as_far_as_they_are_known(
    dispatcher: TaskDispatcher, broker: EmbeddedServer
) -> None:
    dispatcher.register_route({"service_name": "billing", "queue_name": "billing_tasks", "task_types": ["invoice"]})
    dispatcher.dispatch({"type": "invoice"})
    broker.kill()
    assert dispatcher.dispatch({"type": "invoice"}).status is TaskState.BUFFERED
    with pytest.raises(BrokerUnavailable, match="only it knows"):
        dispatcher.dispatch({"type": "some_other_type"})
    broker.restart()
    is_back(dispatcher)
    with pytest.raises(MeetingTasksError, match="unknown task type"):
        dispatcher.dispatch({"type": "some_other_type"})


def test_a_full_outbox_refuses(open_dispatcher: Open, broker: EmbeddedServer) -> None:
    dispatcher = open_dispatcher(outbox_max_tasks=2)
    broker.kill()
    kept = [dispatcher.dispatch(REQUEST).status for _ in range(2)]
    with pytest.raises(OutboxFull, match="2 of 2 tasks") as raised:
        dispatcher.dispatch(REQUEST)
    assert raised.value.body()["details"]["retry_after_s"] == 5
    assert kept == [TaskState.BUFFERED] * 2
    broker.restart()
    is_back(dispatcher)
    assert dispatcher.get_stats()["total_dispatched"] == 2


def test_a_file_that_cannot_be_used_refuses(dispatcher: TaskDispatcher, broker: EmbeddedServer) -> None:
    assert dispatcher.outbox is not None
    path = dispatcher.outbox.file.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged" * 1000)
    broker.kill()
    with pytest.raises(OutboxUnavailable, match="not a database"):
        dispatcher.dispatch(REQUEST)
    broker.restart()
    path.unlink()
    eventually(lambda: dispatcher.dispatch(REQUEST).status is TaskState.PENDING)


def test_without_an_outbox_nothing_is_accepted(open_dispatcher: Open, broker: EmbeddedServer) -> None:
    dispatcher = open_dispatcher(outbox_path="off")
    assert dispatcher.outbox is None
    broker.kill()
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        dispatcher.dispatch(REQUEST)
