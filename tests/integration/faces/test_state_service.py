"""`StateService` over a real server: progress told and heard across processes, and the three reads."""

import threading
from collections.abc import Callable, Iterator

import pytest

from meetingtasks.context import TaskContext
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import (
    BrokerUnavailable,
    BusinessError,
    ResultNotReady,
    TaskCancelled,
    TaskConflict,
    TaskFailed,
    TaskNotFound,
)
from meetingtasks.queue_manager import PulledMessage, QueueManager
from meetingtasks.records import Progress
from meetingtasks.state_service import StateService
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

RECORDING = {"audio_files": ["meeting.wav"]}
TASK = "task_123"


@pytest.fixture
def queue(broker_url: str) -> Iterator[QueueManager]:
    with QueueManager(redis_url=broker_url) as manager:
        yield manager


@pytest.fixture
def state(broker_url: str) -> Iterator[StateService]:
    with StateService(broker_url) as service:
        yield service


@pytest.fixture
def running(queue: QueueManager) -> PulledMessage:
    queue.push(TASK, RECORDING)
    message = queue.pull()
    assert message is not None
    return message


READING = """
import sys
from meetingtasks.state_service import StateService
with StateService(sys.argv[1]) as state:
    progress = state.get_progress(sys.argv[2])
    print(progress.percent, progress.step, progress.completed_steps, progress.total_steps, progress.message)
"""
REPORTING = """
import sys
from meetingtasks.state_service import StateService
with StateService(sys.argv[1]) as state:
    for percent in (10, 20, 30):
        state.update_progress(sys.argv[2], percent, f"已完成{percent}")
"""


def test_d4_10_progress_told_from_outside_is_read_by_another_process(
    state: StateService, running: PulledMessage, broker_url: str, start_python: Callable[..., RunningProcess]
) -> None:
    assert state.update_progress(TASK, 50, "正在生成内容...") is True
    start_python(READING, broker_url, TASK).wait_for_line("50.0  0 0 正在生成内容...")


def test_d4_11_steps_give_the_percent_and_it_never_falls_within_an_attempt(
    state: StateService, running: PulledMessage, queue: QueueManager
) -> None:
    state.update_progress_with_steps(TASK, "内容生成", 2, 5, "正在生成第3段内容...")
    expected = Progress(percent=40.0, step="内容生成", completed_steps=2, total_steps=5, message="正在生成第3段内容...")
    found = state.get_progress(TASK)
    assert (found.percent, found.step, found.completed_steps, found.total_steps, found.message) == (
        *(expected.percent, expected.step, expected.completed_steps, expected.total_steps, expected.message),
    )
    state.update_progress(TASK, 10, "a late word")
    assert (state.get_progress(TASK).percent, state.get_progress(TASK).step) == (40.0, "内容生成")
    queue.release(running)
    assert queue.pull() is not None
    assert state.get_progress(TASK).percent == 0.0  # another attempt begins anew


def test_d4_12_a_subscriber_hears_in_order_what_another_process_reports_and_the_end(
    state: StateService,
    running: PulledMessage,
    queue: QueueManager,
    broker_url: str,
    start_python: Callable[..., RunningProcess],
) -> None:
    heard: list[tuple[float, str]] = []
    state.subscribe_progress(TASK, lambda progress: heard.append((progress.progress, progress.message)))
    assert start_python(REPORTING, broker_url, TASK).wait() == 0
    eventually(lambda: len(heard) == 3)
    queue.ack(running, "done")
    eventually(lambda: len(heard) == 4)
    assert heard == [(10, "已完成10"), (20, "已完成20"), (30, "已完成30"), (100, "已完成30")]
    eventually(lambda: state._watch.watched == 0)  # nothing is kept of a task that has ended


def test_d4_12_unsubscribing_removes_only_mine(state: StateService, running: PulledMessage, broker_url: str) -> None:
    heard: dict[str, list[float]] = {"mine": [], "mine too": [], "other's": []}

    def keep(name: str) -> Callable[[Progress], None]:
        return lambda progress: heard[name].append(progress.percent)

    with StateService(broker_url) as other:
        first = state.subscribe_progress(TASK, keep("mine"))
        state.subscribe_progress(TASK, keep("mine too"))
        other.subscribe_progress(TASK, keep("other's"))
        assert state.unsubscribe_progress(TASK, first) == 1
        state.update_progress(TASK, 10)
        eventually(lambda: heard["mine too"] == heard["other's"] == [10])
        assert state.unsubscribe_progress(TASK) == 1
        assert state.unsubscribe_progress(TASK) == 0
        other.update_progress(TASK, 20)
        eventually(lambda: heard["other's"] == [10, 20])
    assert heard["mine"] == []
    assert heard["mine too"] == [10]


def test_a_failing_subscriber_does_not_keep_others_from_hearing(state: StateService, running: PulledMessage) -> None:
    heard: list[float] = []

    def fail(_progress: Progress) -> None:
        raise RuntimeError("fails on purpose")

    state.subscribe_progress(TASK, fail)
    state.subscribe_progress(TASK, lambda progress: heard.append(progress.percent))
    state.update_progress(TASK, 10)
    eventually(lambda: heard == [10])


def test_a_subscriber_may_subscribe_and_unsubscribe_inside_its_callback(
    state: StateService, running: PulledMessage
) -> None:
    heard: list[str] = []

    def once(_progress: Progress) -> None:
        heard.append("once")
        state.unsubscribe_progress(TASK)
        state.subscribe_progress(TASK, lambda _: heard.append("then"))

    state.subscribe_progress(TASK, once)
    state.update_progress(TASK, 10)
    eventually(lambda: heard == ["once"])
    eventually(lambda: state.update_progress(TASK, 20) and "then" in heard)
    assert heard.count("once") == 1


def test_who_subscribes_to_a_task_that_has_ended_hears_its_end(
    state: StateService, running: PulledMessage, queue: QueueManager
) -> None:
    queue.ack(running)
    heard: list[float] = []
    state.subscribe_progress(TASK, lambda progress: heard.append(progress.percent))
    eventually(lambda: heard == [100])
    eventually(lambda: state._watch.watched == 0)


def test_b_34_subscribing_to_many_tasks_takes_one_thread_and_leaves_nothing(
    state: StateService, queue: QueueManager
) -> None:
    heard: list[float] = []
    before = threading.active_count()
    for number in range(50):
        queue.push(f"t{number}", RECORDING)
        state.subscribe_progress(f"t{number}", lambda progress: heard.append(progress.percent))
    assert threading.active_count() == before + 1
    while (message := queue.pull(timeout=0.1)) is not None:
        queue.ack(message)
    eventually(lambda: heard == [100] * 50)
    assert state._watch.watched == 0


def test_d4_13_the_three_reads(state: StateService, running: PulledMessage, queue: QueueManager) -> None:
    assert state.get_task(TASK).state is TaskState.RUNNING
    with pytest.raises(ResultNotReady, match="running"):
        state.get_task_result(TASK)
    queue.ack(running, {"content": "文章"})
    assert state.get_task_result(TASK) == {"content": "文章"}
    assert state.get_progress(TASK).percent == 100
    queue.push("refused", RECORDING)
    message = queue.pull()
    assert message is not None
    queue.reject(message, "no")
    with pytest.raises(TaskFailed):
        state.get_task_result("refused")
    for read in (state.get_task, state.get_progress, state.get_task_result):
        with pytest.raises(TaskNotFound):
            read("nobody")


def test_only_a_running_task_has_progress(state: StateService, queue: QueueManager) -> None:
    queue.push(TASK, RECORDING)
    with pytest.raises(TaskConflict, match="pending"):
        state.update_progress(TASK, 10)
    message = queue.pull()
    assert message is not None
    queue.ack(message)
    with pytest.raises(TaskConflict, match="completed"):
        state.update_progress_with_steps(TASK, "step", 1, 2)
    with pytest.raises(TaskNotFound):
        state.update_progress("nobody", 10)


@pytest.mark.parametrize("percent", [-1, 101, float("nan"), True])
def test_a_percent_that_cannot_be_is_refused(state: StateService, running: PulledMessage, percent: float) -> None:
    with pytest.raises(BusinessError, match="percent"):
        state.update_progress(TASK, percent)


@pytest.mark.parametrize(("completed", "total"), [(-1, 5), (6, 5), (0, 0), (True, 5)])
def test_steps_that_cannot_be_are_refused(
    state: StateService, running: PulledMessage, completed: int, total: int
) -> None:
    with pytest.raises(BusinessError, match="steps"):
        state.update_progress_with_steps(TASK, "step", completed, total)


def test_inside_a_task_its_context_is_taken_for_its_id(
    state: StateService, running: PulledMessage, queue: QueueManager
) -> None:
    context: TaskContext = queue.context(running)
    state.update_progress_with_steps(context, "转码", 1, 4, "正在转码...")
    assert state.get_progress(TASK).percent == 25
    state.update_progress(context, 50, "half")
    context.flush()
    assert (state.get_progress(TASK).percent, state.get_progress(TASK).step) == (50, "转码")


def test_who_reports_learns_of_a_cancellation(state: StateService, running: PulledMessage, queue: QueueManager) -> None:
    queue.dispatcher.cancel(TASK)
    assert state.update_progress(TASK, 50) is False
    with pytest.raises(TaskCancelled):
        state.update_progress_with_steps(queue.context(running), "step", 1, 2)


def test_a_subscription_outlives_a_cut_connection() -> None:
    heard: list[float] = []
    with EmbeddedServer() as server, QueueManager(redis_url=server.url) as queue, StateService(server.url) as state:
        queue.push(TASK, RECORDING)
        message = queue.pull()
        assert message is not None
        state.subscribe_progress(TASK, lambda progress: heard.append(progress.percent))
        queue.dispatcher.store.client.client_kill_filter(_type="pubsub")  # as a cut connection does
        eventually(lambda: state.update_progress(TASK, 30) and heard, 20)
        queue.ack(message)
        eventually(lambda: heard[-1] == 100)


def test_a_server_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetingtasks.state_service.HEARD_WITHIN_S", 0.2)
    with StateService("redis+socket:///nowhere/redis.sock") as state:
        for act in (lambda: state.update_progress(TASK, 1), lambda: state.subscribe_progress(TASK, print)):
            with pytest.raises(BrokerUnavailable):
                act()
