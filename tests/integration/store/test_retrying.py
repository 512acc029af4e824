"""Planning the next attempt."""

from typing import Any

import pytest

from meetingtasks.states import TaskState


def test_a_planned_retry_closes_the_attempt_and_gives_up_its_right(task: Any) -> None:
    task.create()
    task.started()
    assert task.retry(1, eta_ms=1_800_000_000_000) is True
    record = task.record()
    assert (record.state, record.retries, record.due_ms) == (TaskState.RETRYING, 1, 1_800_000_000_000)
    assert (record.attempts[0].outcome, record.attempts[0].error) == ("retrying", "connection reset")
    assert task.store.cancel_asked("t1", "owner") is True
    assert task.store.counts()["retried"] == 1
    assert task.store.live_ids() == ["t1"]


def test_the_next_attempt_runs_and_its_planned_time_is_over(task: Any) -> None:
    task.create()
    task.started()
    task.retry(1, eta_ms=1_800_000_000_000)
    record = task.started("next", retries=1)
    assert (record.attempt, record.retries, record.due_ms) == (2, 1, None)
    assert [attempt.outcome for attempt in record.attempts] == ["retrying", "running"]


def test_a_retry_does_not_change_how_long_the_task_waited_at_first(task: Any) -> None:
    task.create(eta_ms=1)
    waited_ms = task.started().wait_ms
    task.retry(1, eta_ms=1_800_000_000_000)
    assert (task.record().wait_ms, task.record().eta_ms) == (waited_ms, 1)


def test_the_same_retry_is_planned_once(task: Any) -> None:
    task.create()
    task.started()
    assert task.retry(1) is True
    assert task.retry(1) is False
    assert task.store.counts()["retried"] == 1
    task.started("next", retries=1)
    assert task.retry(1, "owner") is False
    assert task.record().state is TaskState.RUNNING


def test_an_attempt_that_lost_its_lease_plans_no_retry(task: Any) -> None:
    task.create()
    task.started("old")
    task.started("new")
    assert task.retry(1, "old") is False
    assert task.record().state is TaskState.RUNNING
    assert task.finish(TaskState.COMPLETED, "new") == "completed"


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.CANCELLED, TaskState.FAILED])
def test_an_ended_task_is_not_retried(task: Any, state: TaskState) -> None:
    task.create()
    task.started()
    task.finish(state)
    assert task.retry(1) is False
    assert task.record().state is state


def test_a_task_that_nobody_knows_is_not_made_by_a_retry(task: Any) -> None:
    assert task.retry(1) is False
    assert task.store.get("t1") is None


def test_a_foreign_retry_without_a_token_is_believed(task: Any) -> None:
    task.create()
    task.started()
    assert task.retry(1, "") is True
    assert task.record().state is TaskState.RETRYING
