"""A task whose process dies runs again; one that always dies ends as a dead letter."""

import sys
from collections.abc import Callable, Iterator

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import TaskState
from tests.support.processes import ROOT, RunningProcess

TYPE = "custom_task_type_1"


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def worker(broker_url: str, start_process: Callable[..., RunningProcess]) -> RunningProcess:
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.support.sample_service",
        "worker",
        "-P",
        "prefork",
        "-c",
        "2",
    ]
    env = {"MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT)}
    running = start_process([*command, "-l", "INFO", "--without-gossip", "--without-mingle"], env=env)
    running.wait_for_line("ready.")
    return running


@pytest.mark.usefixtures("worker")
def test_a_task_whose_process_dies_once_completes_in_its_second_attempt(dispatcher: TaskDispatcher) -> None:
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"crash_times": 1, "echo": 1}}, 20)
    assert ended.status is TaskState.COMPLETED
    record = dispatcher.get(ended.task_id)
    assert [attempt.outcome for attempt in record.attempts] == ["lost", "completed"]
    assert record.retries == 0


@pytest.mark.usefixtures("worker")
def test_a_task_that_always_kills_its_process_becomes_a_dead_letter_after_three_starts(
    dispatcher: TaskDispatcher,
) -> None:
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"crash_times": 99}}, 30)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "worker_lost"
    record = dispatcher.get(ended.task_id)
    assert record.attempt == 3
    assert record.dead
    assert dispatcher.store.dead_ids() == [record.id]
    assert dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"echo": 2}}, 20).status is TaskState.COMPLETED
