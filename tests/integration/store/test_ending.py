"""The one final state of a task, by the attempt that owns it."""

import json
import os
from typing import Any

import pytest

from meetingtasks.errors import BusinessError
from meetingtasks.failures import describe
from meetingtasks.records import TaskError
from meetingtasks.states import FINAL, TaskState
from meetingtasks.store import keys
from tests.support.eventually import eventually

ENDS = sorted(FINAL)


@pytest.mark.parametrize("state", ENDS)
def test_the_owner_ends_the_task_and_its_record_lives_on_for_a_while(task: Any, state: TaskState) -> None:
    task.create()
    task.started()
    assert task.finish(state) == state
    record = task.record()
    assert record.state is state
    assert record.ended_ms is not None
    assert record.attempts[0].outcome == state
    assert record.attempts[0].ended_ms == record.ended_ms
    assert 0 < task.lifetime_s() <= 1000
    assert task.store.live_count() == 0


@pytest.mark.parametrize("later", ENDS)
def test_a_second_end_is_refused_and_changes_nothing(task: Any, later: TaskState) -> None:
    task.create()
    task.started()
    task.finish(TaskState.COMPLETED, result={"n": 1})
    before = task.store.client.hgetall(keys.task("t1")), task.store.counts(), task.events()
    for token in ("owner", "stranger", ""):
        assert task.finish(later, token, result={"n": 2}) == "completed"
    assert (task.store.client.hgetall(keys.task("t1")), task.store.counts(), task.events()) == before


@pytest.mark.parametrize("state", ENDS)
def test_an_attempt_that_lost_its_lease_cannot_end_the_task(task: Any, state: TaskState) -> None:
    task.create()
    task.started("old")
    task.started("new")
    assert task.finish(state, "old") == "lost"
    assert task.record().state is TaskState.RUNNING
    assert task.finish(TaskState.COMPLETED, "new", result=2) == "completed"
    assert task.record().result == 2


@pytest.mark.parametrize("token", ["old", "stranger"])
def test_a_task_that_waits_for_its_retry_is_not_ended_by_the_attempt_before(task: Any, token: str) -> None:
    task.create()
    task.started("old")
    task.retry(1, "old")
    assert task.finish(TaskState.FAILED, token) == "lost"
    assert task.record().state is TaskState.RETRYING


def test_a_task_that_never_started_is_not_ended_by_a_token(task: Any) -> None:
    task.create()
    assert task.finish(TaskState.COMPLETED, "stranger") == "lost"
    assert task.record().state is TaskState.PENDING


def test_the_workers_main_process_ends_what_its_dead_child_cannot(task: Any) -> None:
    task.create()
    task.started()
    assert task.finish(TaskState.TIMEOUT, "", worker="media@host") == "timeout"


def test_a_worker_that_lost_the_task_to_another_cannot_end_it(task: Any) -> None:
    task.create()
    task.started()
    assert task.finish(TaskState.TIMEOUT, "", worker="media@woken") == "lost"
    assert task.record().state is TaskState.RUNNING


def test_a_dead_letter_is_kept_for_ever_with_its_error(task: Any) -> None:
    task.create()
    task.started()
    error = TaskError(code="dns", error_class="network", message="名字不存在", details={"host": "x"}, traceback="…")
    task.finish(TaskState.FAILED, dead=True, error=error)
    record = task.record()
    assert record.dead
    assert record.error == error
    assert task.lifetime_s() == -1
    assert task.store.dead_ids() == ["t1"]
    assert task.store.counts()["dead"] == task.store.counts()["media_tasks:dead"] == 1


@pytest.mark.parametrize("result", [None, 0, "", {"文": [1.5, None, True]}, [], "\u2028 🎙"])
def test_a_result_comes_back_as_it_was_given(task: Any, result: Any) -> None:
    task.create()
    task.started()
    task.finish(TaskState.COMPLETED, result=result, partial=True)
    record = task.record()
    assert record.result == result
    assert type(record.result) is type(result)
    assert record.partial
    assert record.progress.percent == 100


def test_a_message_in_chinese_is_cut_between_two_characters(task: Any) -> None:
    task.create()
    task.started()
    message = "连接被对方重置" * 40
    task.finish(TaskState.FAILED, error=TaskError(code="error", error_class="network", message=message))
    told = task.events()[-1]["error"]
    assert told
    assert message.startswith(told)
    assert "�" not in told


def test_words_that_are_not_unicode_do_not_keep_a_task_from_ending(task: Any) -> None:
    name = os.fsdecode(b"call-\xff.wav")
    task.create()
    task.started()
    error = describe(BusinessError(f"cannot open {name}", file=name))
    assert task.finish(TaskState.FAILED, error=error) == "failed"
    assert task.record().error == error


def test_a_foreign_task_without_a_start_of_ours_still_has_one_end(task: Any) -> None:
    assert task.finish(TaskState.COMPLETED, "", result=1) == "completed"
    record = task.record()
    assert (record.id, record.state, record.result, record.queue) == ("t1", TaskState.COMPLETED, 1, "")
    counts = task.store.counts()
    assert counts["dispatched"] == counts["completed"] == 1
    assert [event["event"] for event in task.events()] == ["created", "completed"]


@pytest.mark.parametrize(
    ("ends_as", "told"),
    [(TaskState.COMPLETED, "SUCCESS"), (TaskState.CANCELLED, "REVOKED"), (TaskState.FAILED, "FAILURE")],
)
def test_those_who_wait_are_told_once_as_celery_tells_it(task: Any, ends_as: TaskState, told: str) -> None:
    task.create()
    task.started()
    pubsub = task.store.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(keys.done("t1"))
    eventually(lambda: task.store.client.pubsub_numsub(keys.done("t1"))[0][1] == 1)
    task.finish(ends_as, meta=json.dumps({"status": told, "task_id": "t1"}))
    task.finish(ends_as, meta="{}")
    message = eventually(lambda: pubsub.get_message(timeout=0.05))
    assert json.loads(message["data"])["status"] == told
    assert pubsub.get_message(timeout=0.05) is None
    pubsub.close()


def test_a_finished_record_is_forgotten_and_its_id_is_free_again(task: Any) -> None:
    task.create()
    task.started()
    task.finish(TaskState.COMPLETED)
    task.store.forget("t1")
    assert task.store.get("t1") is None
    assert task.create() is True


def test_neither_a_live_task_nor_a_dead_letter_is_forgotten(task: Any) -> None:
    task.create()
    task.store.forget("t1")
    assert task.record().state is TaskState.PENDING
    task.started()
    task.finish(TaskState.FAILED, dead=True)
    task.store.forget("t1")
    assert task.record().dead
    assert task.store.dead_ids() == ["t1"]
