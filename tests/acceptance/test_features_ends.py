"""How tasks end: called back once, stopped at their limit, and after the last retry a dead letter that tells all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

TYPE = "custom_task_type_1"


@pytest.fixture
def dispatcher(broker_url: str, start_process: Callable[..., RunningProcess]) -> Iterator[TaskDispatcher]:
    """Give a dispatcher and a worker with one process for tasks."""
    with TaskDispatcher(broker_url) as running:
        start_worker(start_process, broker_url, "-P", "prefork", "-c", "1")
        yield running


def test_d1_05_a_callback_runs_once_however_its_task_ended(dispatcher: TaskDispatcher, tmp_path: Path) -> None:
    heard: list[TaskResponse] = []

    def callback(response: TaskResponse) -> None:
        heard.append(response)
        raise RuntimeError("a failing callback breaks nothing")

    never = {"until_file": str(tmp_path / "never")}
    for payload in ({"echo": 1}, {"refuse": True}):
        dispatcher.dispatch_async({"type": TYPE, "payload": payload}, callback)
    dispatcher.dispatch_async({"type": TYPE, "payload": never, "timeout": 0.5, "max_retries": 0}, callback)
    cancelled = dispatcher.dispatch_async({"type": TYPE, "payload": never}, callback)
    eventually(lambda: dispatcher.get_status(cancelled.task_id) is TaskState.RUNNING, 30)
    dispatcher.cancel(cancelled.task_id)
    eventually(lambda: len(heard) == 4, 30)
    ends = [TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED]
    assert [response.status for response in heard] == ends
    assert dispatcher.dispatch_and_wait({"type": TYPE}, 30).ok


def test_d1_06_d1_39_a_task_past_its_limit_is_stopped_counted_and_its_slot_is_free(
    dispatcher: TaskDispatcher, tmp_path: Path
) -> None:
    endless = {"type": TYPE, "payload": {"until_file": str(tmp_path / "never")}, "timeout": 0.5, "max_retries": 0}
    ended = dispatcher.dispatch_and_wait(endless, 30)
    assert ended.status is TaskState.TIMEOUT
    assert dispatcher.get_stats()["total_timeout"] == 1
    assert dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"echo": "next"}}, 30).result["echo"] == "next"


def test_d1_08_d1_40_after_exactly_the_allowed_attempts_there_is_one_dead_letter_that_tells_all(
    dispatcher: TaskDispatcher,
) -> None:
    payload = {"fail_times": 99, "echo": "kept as it was"}
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": payload, "max_retries": 2}, 30)
    assert ended.status is TaskState.FAILED
    assert dispatcher.store.dead_ids() == [ended.task_id]
    record = dispatcher.get(ended.task_id)
    assert record.payload == payload
    assert record.error is not None
    assert (record.error.error_class, record.error.message) == ("network", "attempt 3 fails on purpose")
    assert [(attempt.attempt, attempt.outcome) for attempt in record.attempts] == [
        (1, "retrying"),
        (2, "retrying"),
        (3, "failed"),
    ]
    assert all(attempt.ended_ms and attempt.started_ms <= attempt.ended_ms for attempt in record.attempts)


def test_d4_16_no_retries_means_one_attempt(dispatcher: TaskDispatcher) -> None:
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"fail_times": 1}, "max_retries": 0}, 30)
    assert (ended.status, dispatcher.get(ended.task_id).attempt) == (TaskState.FAILED, 1)
