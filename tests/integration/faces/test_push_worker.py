"""`TaskWorker` over a real server, in threads and as a process that gets signals."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError, NetworkError
from meetingtasks.push_worker import TaskWorker
from meetingtasks.queue_manager import QueueManager
from meetingtasks.state_service import StateService
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

QUEUE = "my_queue"  # takes any data
STAGES = ("下载", "转码", "上传", "通知")


class Pipeline:
    """Does what the data say: report stages, fail, wait for a file."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, data: Mapping[str, Any], context: TaskContext) -> dict[str, Any]:
        self.ran.append(context.task_id)
        for number, stage in enumerate(STAGES[: data.get("stages", 0)]):
            context.step(stage, number, data["stages"], f"正在{stage}...")
            context.flush()  # these stages are shorter than the pause between two writes
        if context.attempt <= data.get("fail_times", 0):
            raise NetworkError("on purpose")
        if data.get("refuse"):
            raise BusinessError("on purpose", code="refused")
        pause = threading.Event()
        while "until_file" in data and not Path(data["until_file"]).exists():
            context.check()
            pause.wait(0.02)
        return {"attempt": context.attempt}


@pytest.fixture
def queue(broker_url: str) -> Iterator[QueueManager]:
    with QueueManager(redis_url=broker_url, queue_name=QUEUE, visibility_timeout_s=1) as manager:
        yield manager


@pytest.fixture
def start_worker(queue: QueueManager) -> Iterator[Callable[..., tuple[TaskWorker, threading.Thread]]]:
    started: list[tuple[TaskWorker, threading.Thread]] = []

    def start(pipeline: Any, manager: QueueManager = queue, **options: Any) -> tuple[TaskWorker, threading.Thread]:
        worker = TaskWorker(manager, pipeline, **{"max_shutdown_wait": 0, "pull_timeout_s": 0.2, **options})
        thread = threading.Thread(target=worker.start)
        thread.start()
        started.append((worker, thread))
        return started[-1]

    yield start
    for worker, thread in started:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive()


def states(queue: QueueManager, *names: str) -> list[TaskState]:
    return [queue.dispatcher.get_status(name) for name in names]


def test_d5_04_d5_13_the_loop_runs_the_pipeline_and_writes_state_at_each_stage(
    queue: QueueManager, start_worker: Callable[..., Any], broker_url: str
) -> None:
    heard: list[tuple[float, str]] = []
    with StateService(broker_url) as state:
        state.subscribe_progress("task_123", lambda progress: heard.append((progress.percent, progress.step)))
        queue.push("task_123", {"stages": 4})
        queue.push("next", {})
        start_worker(Pipeline())
        eventually(lambda: states(queue, "task_123", "next") == [TaskState.COMPLETED] * 2)
        eventually(lambda: len(heard) == 5)
    assert heard == [(0, "下载"), (25, "转码"), (50, "上传"), (75, "通知"), (100, "通知")]
    assert queue.dispatcher.get_result("task_123") == {"attempt": 1}


def test_d5_04_an_error_ends_or_retries_its_own_task_and_the_loop_goes_on(
    queue: QueueManager, start_worker: Callable[..., Any]
) -> None:
    queue.push("refused", {"refuse": True}, 10)
    queue.push("retried", {"fail_times": 1}, 9)
    queue.push("good", {}, 1)
    start_worker(Pipeline())
    eventually(lambda: states(queue, "refused", "good") == [TaskState.FAILED, TaskState.COMPLETED])
    eventually(lambda: queue.dispatcher.get_status("retried") is TaskState.COMPLETED)
    assert queue.dispatcher.get("retried").retry_count == 1


def test_a_service_may_call_it_process_and_one_that_calls_it_neither_is_refused(
    queue: QueueManager, start_worker: Callable[..., Any]
) -> None:
    class Service:
        def process(self, data: Mapping[str, Any], context: TaskContext) -> Any:
            return data["n"] + context.attempt

    queue.push("task_123", {"n": 6})
    start_worker(Service())
    eventually(lambda: queue.dispatcher.get_status("task_123") is TaskState.COMPLETED)
    assert queue.dispatcher.get_result("task_123") == 7
    with pytest.raises(TypeError, match="neither run"):
        TaskWorker(queue, object())


@pytest.mark.parametrize(
    "wrong", [{"max_shutdown_wait": -1}, {"max_shutdown_wait": float("nan")}, {"pull_timeout_s": 0}]
)
def test_waits_that_cannot_be_are_refused(queue: QueueManager, wrong: dict[str, float]) -> None:
    with pytest.raises(BusinessError, match="max_shutdown_wait"):
        TaskWorker(queue, Pipeline(), **wrong)


def test_a_task_that_runs_longer_than_its_lease_runs_once(
    queue: QueueManager, start_worker: Callable[..., Any], broker_url: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    queue.push("task_123", {"until_file": str(go)})
    first, second = Pipeline(), Pipeline()
    start_worker(first)
    with QueueManager(redis_url=broker_url, queue_name=QUEUE, visibility_timeout_s=1) as other:
        eventually(lambda: first.ran)
        start_worker(second, other)
        until = time.monotonic() + 2.5
        eventually(lambda: time.monotonic() > until)
        go.touch()
        eventually(lambda: queue.dispatcher.get_status("task_123") is TaskState.COMPLETED)
        assert (first.ran, second.ran) == (["task_123"], [])


def test_a_cancelled_task_stops_and_the_loop_goes_on(
    queue: QueueManager, start_worker: Callable[..., Any], tmp_path: Path
) -> None:
    queue.push("task_123", {"until_file": str(tmp_path / "never")})
    queue.push("next", {})
    start_worker(Pipeline())
    eventually(lambda: queue.dispatcher.get_status("task_123") is TaskState.RUNNING)
    queue.dispatcher.cancel("task_123")
    eventually(lambda: states(queue, "task_123", "next") == [TaskState.CANCELLED, TaskState.COMPLETED])


def test_d5_25_three_workers_run_no_task_twice(
    queue: QueueManager, start_worker: Callable[..., Any], broker_url: str
) -> None:
    names = [f"t{number}" for number in range(60)]
    for name in names:
        queue.push(name, {})
    managers = [QueueManager(redis_url=broker_url, queue_name=QUEUE) for _ in range(3)]
    pipelines = [Pipeline() for _ in managers]
    workers = [start_worker(*pair) for pair in zip(pipelines, managers, strict=True)]
    eventually(lambda: set(states(queue, *names)) == {TaskState.COMPLETED})
    assert Counter(name for pipeline in pipelines for name in pipeline.ran) == Counter(names)
    for (worker, thread), manager in zip(workers, managers, strict=True):
        worker.stop()
        thread.join(10)
        manager.close()


WORKER = """
import sys, threading, time
from pathlib import Path
from meetingtasks.push_worker import TaskWorker
from meetingtasks.queue_manager import QueueManager

class Pipeline:
    def run(self, data, context):
        print("began", context.task_id, context.attempt)
        while not Path(data["until_file"]).exists():
            time.sleep(0.02)  # the work itself
        return "done"

queue = QueueManager(redis_url=sys.argv[1], queue_name="my_queue", visibility_timeout_s=1)
TaskWorker(queue, Pipeline(), max_shutdown_wait=float(sys.argv[2]), when_overdue=sys.argv[3]).start()
queue.close()
print("cleaned up")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_d5_10_d5_11_a_signal_lets_the_current_task_end_and_leaves_the_next_untouched(
    number: signal.Signals,
    queue: QueueManager,
    broker_url: str,
    start_python: Callable[..., RunningProcess],
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    queue.push("current", {"until_file": str(go)})
    queue.push("next", {"until_file": str(go)})
    worker = start_python(WORKER, broker_url, "60", "requeue")
    worker.wait_for_line("began current")
    worker.send(number)
    worker.send(number)  # impatience changes nothing
    assert queue.pull(timeout=1.5) is not None  # the next task is free for others; the current one is kept
    go.touch()
    assert worker.wait() == 0
    assert "cleaned up" in worker.output
    assert queue.dispatcher.get_result("current") == "done"
    assert "began next" not in worker.output
    assert queue.dispatcher.get("current").attempt == 1


def test_d5_11_an_idle_worker_stops_at_once(
    broker_url: str, queue: QueueManager, start_python: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    go.touch()
    queue.push("first", {"until_file": str(go)})
    worker = start_python(WORKER, broker_url, "60", "requeue")
    worker.wait_for_line("began first")
    eventually(lambda: queue.dispatcher.get_status("first") is TaskState.COMPLETED)
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("when_overdue", ["requeue", "fail"])
def test_d5_24_a_task_that_outlasts_the_shutdown_wait_is_given_back_or_failed(
    when_overdue: str,
    queue: QueueManager,
    broker_url: str,
    start_python: Callable[..., RunningProcess],
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    queue.push("current", {"until_file": str(go)})
    worker = start_python(WORKER, broker_url, "0.5", when_overdue)
    worker.wait_for_line("began current")
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - began < 0.5 + 5
    if when_overdue == "fail":
        record = queue.dispatcher.get("current")
        assert record.state is TaskState.FAILED
        assert record.error is not None
        assert record.error.code == "worker_stopped"
        assert queue.pull(timeout=0.1) is None
    else:
        message = queue.pull(timeout=0.5)  # at once, not when the lease has run out
        assert message is not None
        queue.ack(message)
        assert queue.dispatcher.get("current").retries == 0


def test_d5_22_a_killed_workers_task_is_finished_by_another(
    queue: QueueManager,
    broker_url: str,
    start_worker: Callable[..., Any],
    start_python: Callable[..., RunningProcess],
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    queue.push("task_123", {"until_file": str(go)})
    doomed = start_python(WORKER, broker_url, "60", "requeue")
    doomed.wait_for_line("began task_123")
    doomed.close()
    go.touch()
    start_worker(Pipeline())
    eventually(lambda: queue.dispatcher.get_status("task_123") is TaskState.COMPLETED)
    assert [attempt.outcome for attempt in queue.dispatcher.get("task_123").attempts] == ["lost", "completed"]
