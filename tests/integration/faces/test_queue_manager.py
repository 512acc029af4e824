"""`QueueManager` over a real server: push, pull, acknowledge, and what happens without an acknowledgement."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import (
    BrokerUnavailable,
    BusinessError,
    InvalidPayload,
    MeetingTasksError,
    NetworkError,
    SettingsError,
    TaskConflict,
)
from meetingtasks.queue_manager import PulledMessage, QueueBackend, QueueManager
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

RECORDING = {"audio_files": ["meeting.wav"], "meeting_type": "weekly_sync"}


@pytest.fixture
def make_manager(broker_url: str) -> Iterator[Callable[..., QueueManager]]:
    made: list[QueueManager] = []

    def make(**options: Any) -> QueueManager:
        made.append(QueueManager(backend=QueueBackend.REDIS, redis_url=broker_url, **options))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def queue(make_manager: Callable[..., QueueManager]) -> QueueManager:
    return make_manager(queue_name="meeting_tasks")


def pulled(queue: QueueManager, timeout: float | None = 5) -> PulledMessage:
    message = queue.pull(timeout=timeout)
    assert message is not None
    return message


def test_d5_08_b_40_push_and_pull_as_the_seed_writes_them(queue: QueueManager) -> None:
    assert queue.push("task_123", RECORDING, 5) is True
    record = queue.dispatcher.get("task_123")
    assert (record.type, record.queue, record.state) == ("process_recording", "meeting_tasks", TaskState.PENDING)
    assert record.user_id is None
    assert queue.get_queue_length() == 1
    message = queue.pull(timeout=1)
    assert message == {"task_id": "task_123", "data": RECORDING, "priority": 5}
    assert queue.dispatcher.get_status("task_123") is TaskState.RUNNING
    queue.ack(message, {"minutes_url": "file:///minutes.md"})
    record = queue.dispatcher.get("task_123")
    assert (record.state, record.result) == (TaskState.COMPLETED, {"minutes_url": "file:///minutes.md"})
    assert queue.get_queue_length() == 0


@pytest.mark.parametrize("priority", [-1, 11, True, "5", 5.5, None])
def test_d5_08_a_priority_outside_0_to_10_is_an_error(queue: QueueManager, priority: Any) -> None:
    with pytest.raises(BusinessError, match="0-10"):
        queue.push("task_123", RECORDING, priority)
    assert queue.get_queue_length() == 0


@pytest.mark.parametrize("task_id", ["", "line\nbreak", "x" * 201, 123, None])
def test_an_id_that_cannot_be_is_an_error(queue: QueueManager, task_id: Any) -> None:
    with pytest.raises(InvalidPayload):
        queue.push(task_id, RECORDING)
    assert queue.get_queue_length() == 0


def test_data_that_no_worker_could_run_are_an_error_and_nothing_is_queued(queue: QueueManager) -> None:
    with pytest.raises(InvalidPayload, match="audio_file"):
        queue.push("task_123", {"audio_file": "meeting.wav"})
    assert queue.get_queue_length() == 0
    with pytest.raises(MeetingTasksError):
        queue.dispatcher.get("task_123")


def test_another_queue_takes_any_json_object(make_manager: Callable[..., QueueManager]) -> None:
    queue = make_manager(queue_name="my_queue")
    data = {"n": 1, "text": "你好", "nested": {"list": [1, 2.5, None]}, "user_id": "user-123"}
    queue.push("任务 1", data)
    assert queue.dispatcher.get("任务 1").user_id == "user-123"
    message = pulled(queue)
    assert message == {"task_id": "任务 1", "data": data, "priority": 5}
    queue.ack(message)
    assert queue.dispatcher.get_status("任务 1") is TaskState.COMPLETED


def test_b_35_a_second_push_under_the_same_id_is_refused_and_the_first_stays(queue: QueueManager) -> None:
    queue.push("task_123", RECORDING, 5)
    for data in (RECORDING, {**RECORDING, "meeting_type": "board"}):
        with pytest.raises(TaskConflict):
            queue.push("task_123", data, 5)
    assert queue.get_queue_length() == 1
    queue.ack(pulled(queue))
    with pytest.raises(TaskConflict):
        queue.push("task_123", RECORDING, 5)
    assert queue.pull(timeout=0.1) is None
    assert queue.dispatcher.get_status("task_123") is TaskState.COMPLETED


def test_d5_14_the_highest_priority_goes_first_then_first_in_first_out(queue: QueueManager) -> None:
    priorities = [3, 10, 1, 7, 0, 5, 9, 2, 8, 6, 4]
    for turn in ("b", "a"):  # the ties do not sort by text
        for priority in priorities:
            queue.push(f"{turn}-{priority}", RECORDING, priority)
    order = []
    for _ in range(22):
        message = pulled(queue)
        order.append((message["priority"], message["task_id"][0]))
        queue.ack(message)
    assert order == [(priority, turn) for priority in range(10, -1, -1) for turn in ("b", "a")]


def test_a_task_of_another_door_is_pulled_in_its_place(queue: QueueManager) -> None:
    queue.push("ahead", RECORDING, 9)
    queue.push("behind", RECORDING, 2)
    request = {"type": "process_recording", "payload": RECORDING, "priority": "high", "timeout_s": 60}
    accepted = queue.dispatcher.dispatch(request)
    order = [pulled(queue) for _ in range(3)]
    assert [message["task_id"] for message in order] == ["ahead", accepted.task_id, "behind"]
    assert order[1]["priority"] == 7  # what 'high' is on this scale


@pytest.mark.parametrize("timeout", [0, 0.5, 1])
def test_d5_09_pull_waits_as_long_as_it_is_told(queue: QueueManager, timeout: float) -> None:
    began = time.monotonic()
    assert queue.pull(timeout=timeout) is None
    assert timeout <= time.monotonic() - began < timeout + 1


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_cannot_be_is_an_error(queue: QueueManager, timeout: float) -> None:
    with pytest.raises(BusinessError, match="timeout"):
        queue.pull(timeout=timeout)


def test_d5_09_a_waiting_pull_gets_what_is_pushed_at_once(queue: QueueManager) -> None:
    got: list[tuple[PulledMessage, float]] = []

    def wait() -> None:
        got.append((pulled(queue, None), time.monotonic()))

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: queue.dispatcher.store.client.info("clients")["blocked_clients"] == 1)
    pushed = time.monotonic()
    queue.push("task_123", RECORDING)
    waiting.join(10)
    (message, at), *_ = got
    assert message["task_id"] == "task_123"
    assert at - pushed < 0.5
    queue.ack(message)


def test_d5_09_a_pulled_task_that_is_not_acknowledged_comes_back(make_manager: Callable[..., QueueManager]) -> None:
    first, second = make_manager(visibility_timeout_s=0.6), make_manager(visibility_timeout_s=0.6)
    first.push("task_123", RECORDING, 8)
    lost = pulled(first)
    assert second.pull(timeout=0) is None
    again = pulled(second)
    assert again == lost
    with pytest.raises(TaskConflict):
        first.ack(lost, "from the one that came too late")
    second.ack(again, "done")
    record = second.dispatcher.get("task_123")
    assert record.result == "done"
    assert [attempt.outcome for attempt in record.attempts] == ["lost", "completed"]


def test_it_comes_back_also_to_one_who_looks_only_now_and_then(make_manager: Callable[..., QueueManager]) -> None:
    queue = make_manager(visibility_timeout_s=0.3)
    queue.push("task_123", RECORDING)
    pulled(queue)
    pause = threading.Event()
    looks = 0
    while queue.pull(timeout=0) is None:
        looks += 1
        assert looks < 5
        pause.wait(0.5)  # longer than the lease


def test_renewing_keeps_a_task(make_manager: Callable[..., QueueManager]) -> None:
    first, second = make_manager(visibility_timeout_s=0.6), make_manager(visibility_timeout_s=0.6)
    first.push("task_123", RECORDING)
    message = pulled(first)
    for _ in range(5):
        assert second.pull(timeout=0.3) is None
        first.renew(message)
    first.ack(message)
    assert second.dispatcher.get_status("task_123") is TaskState.COMPLETED
    with pytest.raises(TaskConflict):
        first.renew(message)


def test_a_renewal_that_comes_too_late_is_an_error(make_manager: Callable[..., QueueManager]) -> None:
    first, second = make_manager(visibility_timeout_s=0.3), make_manager(visibility_timeout_s=30)
    first.push("task_123", RECORDING)
    message = pulled(first)
    again = pulled(second)
    with pytest.raises(TaskConflict):
        first.renew(message)
    second.ack(again)


PULLING = """
import sys, threading
from meetingtasks.queue_manager import QueueManager
queue = QueueManager(redis_url=sys.argv[1], visibility_timeout_s=1)
print("pulled", queue.pull(timeout=10)["task_id"])
threading.Event().wait()
"""


def test_a_task_pulled_by_a_process_that_dies_comes_back(
    broker_url: str, make_manager: Callable[..., QueueManager], start_python: Callable[..., RunningProcess]
) -> None:
    queue = make_manager()
    queue.push("task_123", RECORDING)
    child = start_python(PULLING, broker_url)
    child.wait_for_line("pulled task_123")
    child.close()
    queue.ack(pulled(queue, 10))
    assert queue.dispatcher.get("task_123").attempt == 2


def test_reject_ends_a_task_or_retries_it_by_the_class_of_its_error(queue: QueueManager) -> None:
    queue.push("refused", RECORDING)
    queue.reject(pulled(queue), "the file is no recording")
    record = queue.dispatcher.get("refused")
    assert (record.state, record.dead) == (TaskState.FAILED, True)
    assert record.error is not None
    assert record.error.message == "the file is no recording"
    queue.push("retried", RECORDING)
    queue.reject(pulled(queue), NetworkError("on purpose"))
    assert queue.dispatcher.get_status("retried") is TaskState.RETRYING
    again = pulled(queue, 10)
    assert again["task_id"] == "retried"
    queue.ack(again)
    assert queue.dispatcher.get("retried").retry_count == 1


def test_a_requeued_task_keeps_its_place_and_is_dead_after_a_few_times(queue: QueueManager) -> None:
    queue.push("poison", RECORDING)
    queue.push("next", RECORDING)
    for _ in range(3):
        message = pulled(queue)
        assert message["task_id"] == "poison"
        queue.reject(message, requeue=True)
    assert pulled(queue)["task_id"] == "next"
    record = queue.dispatcher.get("poison")
    assert (record.state, record.dead) == (TaskState.FAILED, True)


def test_a_released_task_may_come_back_any_number_of_times(queue: QueueManager) -> None:
    queue.push("task_123", RECORDING)
    for _ in range(5):
        queue.release(pulled(queue))
    queue.ack(pulled(queue))
    assert queue.dispatcher.get("task_123").retries == 0


def test_a_cancelled_task_is_not_pulled_and_a_pulled_one_does_not_complete(queue: QueueManager) -> None:
    queue.push("waiting", RECORDING)
    queue.dispatcher.cancel("waiting")
    queue.push("running", RECORDING)
    message = pulled(queue)
    assert message["task_id"] == "running"
    queue.dispatcher.cancel("running")
    queue.ack(message, "done all the same")
    assert queue.dispatcher.get_status("running") is TaskState.CANCELLED


def test_progress_of_a_pulled_task_is_reported_by_its_context(queue: QueueManager) -> None:
    queue.push("task_123", RECORDING)
    message = pulled(queue)
    queue.context(message).step("转码", 1, 4, "正在转码")
    progress = queue.dispatcher.get_progress("task_123")
    assert (progress.percent, progress.step, progress.message) == (25.0, "转码", "正在转码")


def test_what_is_not_held_cannot_be_acknowledged(queue: QueueManager) -> None:
    for act in (queue.ack, queue.reject, queue.renew, queue.release, queue.context):
        with pytest.raises(TaskConflict, match="not held"):
            act("task_123")


def test_clear_cancels_what_waits_and_returns_how_many(queue: QueueManager) -> None:
    queue.push("running", RECORDING)
    running = pulled(queue)
    queue.push("retrying", RECORDING, 10)
    queue.reject(pulled(queue), NetworkError("on purpose"))
    for number in range(5):
        queue.push(f"waiting-{number}", RECORDING, number)
    assert queue.clear() == 6
    assert queue.get_queue_length() == 0
    states = {name: queue.dispatcher.get_status(name) for name in ("running", "retrying", "waiting-0", "waiting-4")}
    assert states == {
        "running": TaskState.RUNNING,
        "retrying": TaskState.CANCELLED,
        "waiting-0": TaskState.CANCELLED,
        "waiting-4": TaskState.CANCELLED,
    }
    queue.ack(running)
    assert queue.clear() == 0


def test_several_pullers_share_a_queue_and_no_task_goes_to_two(make_manager: Callable[..., QueueManager]) -> None:
    queue = make_manager()
    for number in range(60):
        queue.push(f"t{number}", RECORDING)
    seen: list[str] = []

    def work(manager: QueueManager) -> None:
        while (message := manager.pull(timeout=0.3)) is not None:
            seen.append(message["task_id"])
            manager.ack(message)

    pullers = [threading.Thread(target=work, args=(make_manager(),)) for _ in range(3)]
    for puller in pullers:
        puller.start()
    for puller in pullers:
        puller.join()
    assert sorted(seen) == sorted(f"t{number}" for number in range(60))


def test_a_malformed_message_is_set_aside_and_the_next_one_is_pulled(
    make_manager: Callable[..., QueueManager],
) -> None:
    queue = make_manager(queue_name="my_queue")
    queue.deliveries.queue.enqueue(b"no message at all", message_id="bad", priority=0)
    queue.push("good", {"n": 1})
    assert pulled(queue)["task_id"] == "good"
    assert queue.deliveries.queue.size().leased == 1


@pytest.mark.parametrize("pushed", ["before", "while it waits"])
def test_what_another_program_pushed_on_the_list_is_pulled_too(
    pushed: str, make_manager: Callable[..., QueueManager]
) -> None:
    queue = make_manager(queue_name="my_queue")
    client = queue.dispatcher.store.client
    message = b"""{"body": "W1tdLCB7Im4iOiAxfSwge31d", "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"task": "elsewhere.add", "id": "foreign-1", "lang": "py"},
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "priority": 0,
                       "delivery_info": {"exchange": "", "routing_key": "my_queue"}}}"""
    if pushed == "before":
        client.lpush("my_queue", message)
        found = pulled(queue)
    else:
        got: list[PulledMessage] = []
        waiting = threading.Thread(target=lambda: got.append(pulled(queue, 10)))
        waiting.start()
        eventually(lambda: client.info("clients")["blocked_clients"] == 1)
        client.lpush("my_queue", message)
        waiting.join(20)
        (found,) = got
    assert (found["task_id"], found["data"]) == ("foreign-1", {"n": 1})
    queue.ack(found)


def test_b_37_a_broker_that_does_not_answer_is_an_error_and_never_an_empty_answer() -> None:
    with EmbeddedServer() as server:
        queue = QueueManager(redis_url=server.url)
        queue.push("task_123", RECORDING)
    for act in (
        lambda: queue.push("task_124", RECORDING),
        lambda: queue.pull(timeout=0.1),
        queue.get_queue_length,
        queue.clear,
    ):
        with pytest.raises(BrokerUnavailable):
            act()
    queue.close()


def test_d5_12_a_push_takes_milliseconds_whatever_the_recordings_size(queue: QueueManager) -> None:
    queue.push("warm", RECORDING)
    took = []
    for number in range(20):
        began = time.perf_counter()
        queue.push(f"t{number}", {**RECORDING, "audio_files": ["https://files.example.org/1-gb.wav"]})
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.05


def test_rabbitmq_says_that_it_comes_later() -> None:
    with pytest.raises(SettingsError, match="amqp broker"):
        QueueManager(backend=QueueBackend.RABBITMQ, rabbitmq_url="amqp://guest:guest@localhost:5672/")


def test_a_dispatcher_elsewhere_finds_a_pushed_task(queue: QueueManager, broker_url: str) -> None:
    queue.push("task_123", RECORDING)
    with TaskDispatcher(broker_url) as dispatcher:
        assert dispatcher.get("task_123").payload == RECORDING
        eventually(lambda: dispatcher.get_stats()["active_tasks"] == 1)
