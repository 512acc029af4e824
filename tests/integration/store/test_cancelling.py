"""A cancelled task never starts and never completes."""

from typing import Any

import pytest

from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store.tasks import Refused


@pytest.mark.parametrize("state", ["pending", "scheduled", "buffered"])
def test_a_waiting_task_ends_at_once_and_never_starts(task: Any, state: str) -> None:
    task.create(state=state)
    assert task.cancel(reason="会议取消", actor="alice") == "cancelled"
    record = task.record()
    assert (record.state, record.cancel_reason, record.attempt) == (TaskState.CANCELLED, "会议取消", 0)
    assert task.start() == Refused("cancelled")
    assert 0 < task.lifetime_s() <= 1000
    assert task.store.live_count() == 0


def test_a_task_between_two_attempts_ends_at_once(task: Any) -> None:
    task.create()
    task.started()
    task.retry(1)
    assert task.cancel() == "cancelled"
    assert task.start("next", retries=1) == Refused("cancelled")


def test_a_running_task_is_told_and_keeps_its_first_reason(task: Any) -> None:
    task.create()
    task.started()
    assert task.store.cancel_asked("t1", "owner") is False
    assert task.cancel(reason="first") == "running"
    assert task.cancel(reason="second") == "running"
    assert task.store.cancel_asked("t1", "owner") is True
    assert task.store.progress("t1", "owner", Progress(percent=5)) == "cancel"
    assert task.record().cancel_reason == "first"


@pytest.mark.parametrize("ends_as", [TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED])
def test_a_task_that_was_told_to_stop_ends_as_cancelled_whatever_it_says(task: Any, ends_as: TaskState) -> None:
    task.create()
    task.started()
    task.cancel()
    assert task.finish(ends_as, result={"n": 1}, dead=True) == "cancelled"
    record = task.record()
    assert (record.state, record.result, record.dead) == (TaskState.CANCELLED, None, False)
    assert task.store.dead_ids() == []
    assert task.store.counts()["cancelled"] == 1
    assert task.store.counts().get("completed", 0) == 0


def test_a_task_that_was_told_to_stop_plans_no_retry(task: Any) -> None:
    task.create()
    task.started()
    task.cancel()
    assert task.retry(1) is False
    assert task.record().state is TaskState.RUNNING
    assert task.finish(TaskState.FAILED) == "cancelled"


def test_a_cancelled_task_whose_worker_was_lost_does_not_run_again(task: Any) -> None:
    task.create()
    task.started("first")
    task.cancel()
    assert task.start("second") == Refused("cancelled")
    record = task.record()
    assert (record.state, record.attempt) == (TaskState.CANCELLED, 1)
    assert record.attempts[0].outcome == "lost"


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED])
def test_a_task_that_has_ended_keeps_its_state(task: Any, state: TaskState) -> None:
    task.create()
    task.started()
    task.finish(state)
    assert task.cancel(reason="late") == state
    assert task.record().cancel_reason == ""


def test_a_task_that_nobody_knows_is_not_made_by_cancelling(task: Any) -> None:
    assert task.cancel() == "unknown"
    assert task.store.get("t1") is None
    assert task.store.counts() == {}
