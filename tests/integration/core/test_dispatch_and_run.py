"""A real worker runs what a dispatcher submits; records, results and callbacks say what happened."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import ResultNotReady, TaskConflict, UnknownTaskType, WaitTimeout
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

TYPE = "custom_task_type_1"


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def start_worker(broker_url: str, start_process: Callable[..., RunningProcess]) -> Callable[..., RunningProcess]:
    def start(*options: str, service: str = "tests.support.sample_service", wait: bool = True) -> RunningProcess:
        command = [sys.executable, "-m", "celery", "-A", service, "worker", "-l", "INFO", "--without-gossip"]
        env = {"MT_BROKER_URL": broker_url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(Path.cwd())}
        worker = start_process([*command, *(options or ("-P", "threads", "-c", "2"))], env=env)
        if wait:
            worker.wait_for_line("ready.")
        return worker

    return start


def test_d1_04_dispatch_returns_at_once_and_wait_returns_the_result(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"echo": "你好"}})
    assert accepted.status is TaskState.PENDING
    with pytest.raises(ResultNotReady):
        dispatcher.get_result(accepted.task_id)
    start_worker()
    ended = dispatcher.wait(accepted.task_id, 20)
    assert ended.status is TaskState.COMPLETED
    assert ended.result["echo"] == "你好"
    waited = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"echo": 2}}, 20)
    assert waited.result["echo"] == 2


def test_waiting_longer_than_allowed_is_an_error_and_the_task_goes_on(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(WaitTimeout) as raised:
        dispatcher.dispatch_and_wait({"type": TYPE}, 0.1)
    assert dispatcher.get_status(raised.value.details["task_id"]) is TaskState.PENDING


@pytest.mark.parametrize("pool", [("-P", "solo"), ("-P", "threads", "-c", "2"), ("-P", "prefork", "-c", "2")])
def test_d1_07_a_task_that_fails_twice_completes_with_two_retries(
    pool: tuple[str, ...], dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    start_worker(*pool)
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"fail_times": 2}}, 20)
    assert ended.status is TaskState.COMPLETED
    record = dispatcher.get(ended.task_id)
    assert record.retry_count == 2
    assert [attempt.outcome for attempt in record.attempts] == ["retrying", "retrying", "completed"]


def test_a_refused_input_fails_at_once_and_becomes_a_dead_letter(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    start_worker()
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"refuse": True}, "max_retries": 5}, 20)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "refused"
    record = dispatcher.get(ended.task_id)
    assert record.attempt == 1
    assert dispatcher.store.dead_ids() == [ended.task_id]


def test_d1_18_the_callback_gets_the_result_once(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    start_worker()
    heard: list[TaskResponse] = []
    enough = threading.Event()

    def callback(response: TaskResponse) -> None:
        heard.append(response)
        if len(heard) == 2:
            enough.set()
        raise RuntimeError("a failing callback breaks nothing")

    dispatcher.dispatch_async({"type": TYPE, "payload": {"echo": 1}}, callback)
    dispatcher.dispatch_async({"type": TYPE, "payload": {"refuse": True}}, callback)
    assert enough.wait(20)
    assert {response.status for response in heard} == {TaskState.COMPLETED, TaskState.FAILED}
    assert dispatcher._ends.watched == 0


def test_d1_19_a_bad_item_of_a_batch_does_not_hold_up_the_others(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    good = [{"type": TYPE, "payload": {"echo": n}} for n in range(20)]
    answers = dispatcher.dispatch_batch([*good[:10], {"type": "speech_recogniton"}, *good[10:]])
    assert answers[10].error is not None
    assert "speech_recognition" in answers[10].error["message"]
    start_worker()
    ended = [dispatcher.wait(a.task_id, 20) for a in answers if a.ok]
    assert sorted(e.result["echo"] for e in ended) == list(range(20))


def test_d1_01_an_unknown_type_is_refused_and_nothing_is_queued(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(UnknownTaskType, match="did you mean"):
        dispatcher.dispatch({"type": "speech_recogntion"})
    assert dispatcher.store.live_count() == 0


def test_an_id_that_is_taken_is_refused(dispatcher: TaskDispatcher) -> None:
    first = dispatcher.dispatch({"type": TYPE})
    with pytest.raises(TaskConflict):
        dispatcher.dispatch({"type": TYPE, "task_id": first.task_id})
    assert dispatcher.store.live_count() == 1


def test_progress_with_steps_is_readable_from_another_process(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    start_worker()
    release = tmp_path / "go"
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"steps": 4, "until_file": str(release)}})
    progress = eventually(lambda: (p := dispatcher.get_progress(accepted.task_id)).completed_steps == 3 and p)
    assert (progress.percent, progress.message, progress.total_steps) == (75.0, "第3段", 4)
    release.touch()
    assert dispatcher.wait(accepted.task_id, 20).status is TaskState.COMPLETED
    assert dispatcher.get_progress(accepted.task_id).percent == 100.0


def test_a_waiting_task_is_cancelled_for_good_and_a_running_one_within_a_second(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    waiting = dispatcher.dispatch({"type": TYPE, "payload": {"name": "waiting", "trace_file": str(trace)}})
    assert dispatcher.cancel(waiting.task_id, reason="not needed", actor="tester") == "cancelled"
    start_worker()
    running = dispatcher.dispatch(
        {"type": TYPE, "payload": {"name": "running", "until_file": str(tmp_path / "never"), "trace_file": str(trace)}}
    )
    eventually(lambda: dispatcher.get_status(running.task_id) is TaskState.RUNNING)
    assert dispatcher.cancel(running.task_id) == "running"
    assert dispatcher.wait(running.task_id, 5).status is TaskState.CANCELLED
    assert dispatcher.get(waiting.task_id).cancel_reason == "not needed"
    assert trace.read_text().split()[0] == "running"


def test_celerys_own_results_read_the_same_record(
    broker_url: str, dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    start_worker()
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"echo": 7}})
    result = dispatcher.app.AsyncResult(accepted.task_id)
    assert result.get(timeout=20)["echo"] == 7
    assert result.state == "SUCCESS"
    failed = dispatcher.app.AsyncResult(dispatcher.dispatch({"type": TYPE, "payload": {"refuse": True}}).task_id)
    with pytest.raises(Exception, match="refused on purpose"):
        failed.get(timeout=20)
    assert failed.state == "FAILURE"


def test_celerys_inspection_of_a_worker_answers(
    dispatcher: TaskDispatcher, start_worker: Callable[..., RunningProcess]
) -> None:
    worker = start_worker()
    inspection = dispatcher.app.control.inspect(timeout=5)
    for answers in (inspection.stats(), inspection.conf(), inspection.registered(), inspection.active_queues()):
        (answer,) = (answers or {}).values()
        assert "error" not in answer
    assert "EncodeError" not in worker.output
