"""A server whose memory is full takes no new tasks, and lets those that it has come to their end."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.runs import RunStore
from meetingtasks.store.scripts import load

OWNER = "owner"


@pytest.fixture
def full(task: Any) -> Iterator[Any]:
    """Give a pending task on a server that refuses whatever needs memory."""
    task.create()
    task.store.client.config_set("maxmemory", "1")
    yield task
    task.store.client.config_set("maxmemory", "0")


def test_f21_no_new_task_is_accepted(full: Any) -> None:
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        full.store.create("t2", {"state": "pending", "queue": "q"})
    assert full.store.live_ids() == ["t1"]


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.FAILED])
def test_f21_a_task_starts_reports_and_ends(full: Any, state: TaskState) -> None:
    full.started()
    assert full.store.progress("t1", "owner", Progress(percent=50)) == "ok"
    assert full.finish(state, result="x" * 1000, dead=state is TaskState.FAILED) == state
    assert full.record().state is state


def test_f21_a_task_is_retried_cancelled_and_forgotten(full: Any) -> None:
    full.started()
    assert full.retry(1) is True
    assert full.cancel() == "cancelled"
    full.store.forget("t1")
    assert full.store.get("t1") is None


def test_f21_a_run_keeps_its_parts_and_ends(full: Any) -> None:
    client = full.store.client
    client.config_set("maxmemory", "0")
    runs = RunStore(client)
    runs.create("t1", {}, token=OWNER)
    full.started()
    client.config_set("maxmemory", "1")
    assert runs.keep_part("t1", "transcribe", 0, {"state": "done"}, release=False) == 1
    full.finish()
    assert runs.end("t1", {}) == "completed"


def test_f21_an_end_that_others_must_hear_of_is_noted(full: Any) -> None:
    assert load("owe")(full.store.client, [keys.OWED], ["{}"]) == 1
