"""Accepting tasks and giving out the right to run them."""

from typing import Any
from uuid import uuid4

import pytest

from meetingtasks.records import Progress, TaskRecord
from meetingtasks.states import Priority, TaskState
from meetingtasks.store import keys
from meetingtasks.store.tasks import Refused, Run, TaskStore

REFUSED_STALE = Refused("stale")


def test_an_accepted_task_is_found_with_all_its_values(task: Any) -> None:
    values = {"payload": {"text": "会议 🎙"}, "meeting_id": 456, "user_id": "u-1", "max_retries": 0, "timeout_s": 1.5}
    assert task.create(**values) is True
    record = task.record()
    assert (record.type, record.queue, record.priority, record.state) == (
        *("transcode", "media_tasks"),
        *(Priority.HIGH, TaskState.PENDING),
    )
    assert {name: getattr(record, name) for name in values} == values
    assert task.lifetime_s() == -1
    assert task.store.live_ids() == ["t1"]


def test_an_id_is_accepted_once_and_its_second_submission_changes_nothing(task: Any) -> None:
    task.create(payload={"n": 1})
    before = task.store.client.hgetall(keys.task("t1")), task.store.counts(), task.events()
    assert task.create(payload={"n": 2}, state="scheduled") is False
    assert (task.store.client.hgetall(keys.task("t1")), task.store.counts(), task.events()) == before


def test_many_are_accepted_in_one_transaction(store: TaskStore) -> None:
    pipe = store.client.pipeline(transaction=True)
    for n in range(20):
        store.create(f"t{n}", {"type": "x", "name": "x", "service": "", "queue": "q", "state": "pending"}, pipe=pipe)
    assert store.live_count() == 0
    assert pipe.execute() == [1] * 20
    assert store.live_count() == 20


def test_starting_gives_the_record_of_a_running_attempt(task: Any) -> None:
    task.create()
    record = task.started()
    assert (record.state, record.attempt, record.worker) == (TaskState.RUNNING, 1, "media@host")
    assert record.started_ms == record.first_started_ms
    attempt = record.attempts[0]
    assert (attempt.attempt, attempt.pid, attempt.outcome, attempt.ended_ms) == (1, 4711, "running", None)
    assert record == task.record()


def test_a_lost_attempt_is_closed_when_the_message_comes_back(task: Any) -> None:
    task.create()
    task.started("first")
    again = task.started("second")
    assert again.attempt == 2
    assert again.redelivered
    assert [attempt.outcome for attempt in again.attempts] == ["lost", "running"]
    assert again.attempts[0].error == "its worker was lost"
    assert again.attempts[0].run_ms is not None
    assert task.store.counts()["lost"] == task.store.counts()["media_tasks:lost"] == 1


def test_a_new_attempt_begins_at_zero_percent_and_without_the_old_ones_words(task: Any) -> None:

    task.create()
    task.started("first")
    told = Progress(percent=60, step="encode", completed_steps=3, total_steps=5, message="第三步")
    task.store.progress("t1", "first", told)
    assert task.started("second").progress == Progress()


@pytest.mark.parametrize("state", ["completed", "failed", "timeout", "cancelled", "expired"])
def test_a_task_that_has_ended_never_starts(task: Any, state: str) -> None:
    task.create()
    task.started()
    task.finish(TaskState(state))
    assert task.start("late") == Refused(state)
    assert task.record().attempt == 1


def test_an_older_attempts_message_is_refused_once_its_retry_is_planned(task: Any) -> None:
    task.create()
    task.started()
    task.retry(1)
    assert task.start("late", retries=0) == REFUSED_STALE
    assert task.started("next", retries=1).attempt == 2
    assert task.start("late", retries=0) == REFUSED_STALE
    assert task.record().state is TaskState.RUNNING


def test_a_retry_that_runs_before_it_was_recorded_counts_all_the_same(task: Any) -> None:
    task.create()
    task.started()
    assert task.started("next", retries=1).retries == 1
    assert task.retry(1) is False
    assert task.record().state is TaskState.RUNNING
    assert task.start("late", retries=0) == REFUSED_STALE


def test_a_foreign_message_without_a_record_gets_one_as_it_starts(task: Any) -> None:
    record = task.started()
    assert (record.type, record.state, record.attempt) == ("transcode", TaskState.RUNNING, 1)
    assert task.store.counts()["dispatched"] == 1
    assert task.store.live_ids() == ["t1"]
    assert [event["event"] for event in task.events()] == ["created", "started"]


def test_a_task_that_is_too_late_expires_instead_of_starting(task: Any) -> None:
    task.create(expires_ms=1)
    assert task.start() == Refused("expired")
    record = task.record()
    assert (record.state, record.attempt) == (TaskState.EXPIRED, 0)
    assert 0 < task.lifetime_s() <= 1000
    assert task.store.live_count() == 0
    assert task.store.counts()["expired"] == 1


def test_a_task_with_time_left_starts(task: Any) -> None:
    task.create(expires_ms=32_503_680_000_000)
    assert isinstance(task.start(), TaskRecord)


def test_the_scripts_are_learnt_again_by_a_server_that_lost_them(task: Any) -> None:
    task.create()
    task.store.client.script_flush()
    assert isinstance(task.start(), TaskRecord)


def test_a_worker_with_an_odd_name_is_kept_as_it_is(store: TaskStore, task: Any) -> None:
    task.create()
    run = Run(token=str(uuid4()), worker='ai@主机 "1"\\', pid=1)
    record = store.start("t1", run, retries=0, otherwise={})
    assert isinstance(record, TaskRecord)
    assert record.attempts[0].worker == record.worker == run.worker
