"""A `RedisMessageQueue` over a real server: its settings have effect, and its messages are tasks like any other."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable, BusinessError, InvalidPayload, NetworkError, TaskConflict
from meetingtasks.message_queue import RedisMessageQueue
from meetingtasks.messages import Message, ReceivedMessage, RedisQueueConfig
from meetingtasks.states import Priority, TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

TYPE = "my_task"
QUEUE = "my_service"


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def make_queue(dispatcher: TaskDispatcher) -> Iterator[Callable[..., RedisMessageQueue]]:
    made: list[RedisMessageQueue] = []

    def make(**config: Any) -> RedisMessageQueue:
        settings = {"queue_name": QUEUE, "workers": 2, "poll_interval_s": 0.2, **config}
        made.append(RedisMessageQueue(dispatcher, settings))
        return made[-1]

    yield make
    for queue in made:
        queue.stop(wait_s=0)


class Recorder:
    """A handler that keeps what it gets, and can be made to wait."""

    def __init__(self) -> None:
        self.seen: list[ReceivedMessage] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.inside = self.most_inside = 0
        self._lock = threading.Lock()

    def __call__(self, message: ReceivedMessage) -> dict[str, Any]:
        with self._lock:
            self.seen.append(message)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        assert self.go_on.wait(30)
        with self._lock:
            self.inside -= 1
        return {"n": message.payload.get("n"), "attempt": message.attempt}


def test_d1_25_the_seeds_configuration_and_its_defaults() -> None:
    config = RedisQueueConfig(
        queue_name="ai_tasks", workers=8, poll_interval_s=1, visibility_timeout_s=30, max_retries=3
    )
    assert config == RedisQueueConfig()


def test_d2_05_b_10_times_are_seconds_or_a_timedelta_and_a_bare_name_means_seconds() -> None:
    config = RedisQueueConfig(
        queue_name="ai_tasks",
        workers=4,
        visibility_timeout=timedelta(seconds=30),
        poll_interval=timedelta(milliseconds=100),
    )
    assert (config.visibility_timeout_s, config.poll_interval_s) == (30.0, 0.1)
    assert RedisQueueConfig(visibility_timeout=30).visibility_timeout_s == 30.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue_name": "no spaces"},
        {"workers": 0},
        {"workers": True},
        {"poll_interval_s": 0},
        {"poll_interval": 100},  # milliseconds by mistake
        {"visibility_timeout_s": -1},
        {"visibility_timeout_s": float("nan")},
        {"visibility_timeout": 30_000_000_000},  # nanoseconds by mistake
        {"max_retries": -1},
        {"worker": 3},
    ],
)
def test_d1_25_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RedisQueueConfig(**wrong)


def test_d1_26_the_handler_of_the_type_runs_and_its_result_is_stored_and_published(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(queue_name="ai_tasks")
    handler, other = Recorder(), Recorder()
    queue.register_handler("speech_recognition", handler)
    queue.register_handler("emotion_detection", other)
    queue.start()
    message = Message(type="speech_recognition", priority="high", payload={"audio_url": "file:///a.wav"}, timeout=30)
    assert queue.publish(message) == message.id
    ended = dispatcher.wait(message.id, 20)
    assert (ended.status, ended.result) == (TaskState.COMPLETED, {"n": None, "attempt": 1})
    (seen,) = handler.seen
    assert (seen.id, seen.type, seen.priority, seen.timeout_s) == (
        *(message.id, "speech_recognition", Priority.HIGH, 30.0),
    )
    assert not other.seen


def test_d1_26_publish_result_inside_the_handler_gives_the_tasks_result(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    queue.register_handler(TYPE, lambda message: queue.publish_result(message.id, {"text": "你好"}))
    queue.start()
    task_id = queue.publish(Message(type=TYPE))
    assert dispatcher.wait(task_id, 20).result == {"text": "你好"}
    with pytest.raises(TaskConflict):
        queue.publish_result(task_id, {"text": "too late"})


def test_d1_27_start_and_stop_may_be_repeated_and_an_idle_queue_stops_within_its_poll_interval(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(poll_interval_s=0.3)
    handler = Recorder()
    queue.register_handler(TYPE, handler)
    for round_number in range(2):
        queue.start()
        queue.start()
        task_id = queue.publish(Message(type=TYPE, payload={"n": round_number}))
        assert dispatcher.wait(task_id, 20).result["n"] == round_number
        began = time.monotonic()
        queue.stop()
        queue.stop()
        assert time.monotonic() - began < 3
    assert len(handler.seen) == 2


def test_d1_28_a_published_message_is_a_task_like_any_other(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    message = Message(type=TYPE, payload={"n": 1}, timeout_s=30, max_retries=1, user_id=123, meeting_id=456)
    queue.publish(message)
    record = dispatcher.get(message.id)
    assert (record.type, record.queue, record.payload, record.state) == (TYPE, QUEUE, {"n": 1}, TaskState.PENDING)
    assert (record.timeout_s, record.max_retries, record.user_id, record.meeting_id) == (30.0, 1, 123, 456)
    with pytest.raises(TaskConflict):
        queue.publish(message)
    handler = Recorder()
    queue.register_handler(TYPE, handler)
    assert dispatcher.cancel(message.id) == "cancelled"
    queue.start()
    assert dispatcher.wait(queue.publish(Message(type=TYPE, payload={"n": 2})), 20).result["n"] == 2
    assert [seen.payload["n"] for seen in handler.seen] == [2]


def test_d1_28_what_a_dispatcher_submits_is_handled_too(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(queue_name="custom_tasks")
    queue.register_handler("custom_task_type_1", Recorder())
    queue.start()
    assert dispatcher.dispatch_and_wait({"type": "custom_task_type_1", "payload": {"n": 3}}, 20).result["n"] == 3


def test_messages_go_by_priority_and_then_in_order(make_queue: Callable[..., RedisMessageQueue]) -> None:
    queue = make_queue(workers=1)
    handler = Recorder()
    queue.register_handler(TYPE, handler)
    levels: list[Any] = ["low", 1, Priority.HIGH, 3]  # by name, by the enum's number, as a constant
    queue.publish_batch([Message(type=TYPE, priority=level, payload={"n": n}) for n in range(2) for level in levels])
    queue.start()
    eventually(lambda: len(handler.seen) == 8)
    order = [(seen.priority.value, seen.payload["n"]) for seen in handler.seen]
    assert order == [(level, n) for level in ("critical", "high", "normal", "low") for n in range(2)]


def test_d1_25_workers_is_how_many_handlers_run_at_once(make_queue: Callable[..., RedisMessageQueue]) -> None:
    queue = make_queue(workers=3)
    handler = Recorder()
    handler.go_on.clear()
    queue.register_handler(TYPE, handler)
    queue.start()
    queue.publish_batch([Message(type=TYPE, payload={"n": n}) for n in range(6)])
    eventually(lambda: handler.inside == 3)
    assert queue.get_stats()["processing_count"] == 3
    handler.go_on.set()
    eventually(lambda: queue.get_stats()["total_processed"] == 6)
    assert handler.most_inside == 3


def test_d1_25_max_retries_is_the_default_of_messages_and_a_business_error_is_never_retried(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(max_retries=1)

    def fail(message: ReceivedMessage) -> None:
        raise NetworkError("on purpose") if message.payload["kind"] == "network" else BusinessError("on purpose")

    queue.register_handler(TYPE, fail)
    queue.start()
    ids = {
        "retried": queue.publish(Message(type=TYPE, payload={"kind": "network"})),
        "own": queue.publish(Message(type=TYPE, payload={"kind": "network"}, max_retries=0)),
        "business": queue.publish(Message(type=TYPE, payload={"kind": "business"})),
    }
    assert all(dispatcher.wait(task_id, 30).status is TaskState.FAILED for task_id in ids.values())
    assert {name: dispatcher.get(task_id).attempt for name, task_id in ids.items()} == {
        "retried": 2,
        "own": 1,
        "business": 1,
    }
    stats = queue.get_stats()
    assert (stats["total_failed"], stats["total_retried"], stats["dead_letter_count"]) == (3, 1, 3)
    assert queue.get_dead_letter_count() == 3
    assert queue.requeue_dead_letters(1) == 1
    eventually(lambda: queue.get_dead_letter_count() == 3, 30)
    assert queue.purge_dead_letters() == 3
    assert (queue.get_dead_letter_count(), queue.purge_dead_letters()) == (0, 0)


def test_d1_06_a_handler_past_its_timeout_ends_as_timeout_and_its_slot_is_free(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(workers=1)
    handler = Recorder()
    handler.go_on.clear()
    queue.register_handler(TYPE, handler)
    queue.register_handler("quick_task", lambda _message: "done")
    queue.start()
    slow = queue.publish(Message(type=TYPE, timeout=0.3, max_retries=0))
    quick = queue.publish(Message(type="quick_task"))
    assert dispatcher.wait(slow, 20).status is TaskState.TIMEOUT
    assert dispatcher.wait(quick, 20).result == "done"
    handler.go_on.set()  # what it returns now is dropped
    eventually(lambda: handler.inside == 0)
    assert dispatcher.get_status(slow) is TaskState.TIMEOUT


def test_a_running_handler_learns_that_its_task_was_cancelled(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    pause = threading.Event()

    def work(message: ReceivedMessage) -> None:
        message.progress(10, "begun")
        while True:
            message.check()
            pause.wait(0.02)

    queue.register_handler(TYPE, work)
    queue.start()
    task_id = queue.publish(Message(type=TYPE))
    eventually(lambda: dispatcher.get_progress(task_id).message == "begun")
    assert dispatcher.cancel(task_id) == "running"
    assert dispatcher.wait(task_id, 5).status is TaskState.CANCELLED


def test_d1_25_a_handler_that_runs_longer_than_the_visibility_timeout_runs_once(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(visibility_timeout_s=0.5)
    handler = Recorder()
    handler.go_on.clear()
    queue.register_handler(TYPE, handler)
    queue.start()
    task_id = queue.publish(Message(type=TYPE))
    eventually(lambda: handler.seen)
    until = time.monotonic() + 1.5  # three times the lease
    eventually(lambda: time.monotonic() > until)
    handler.go_on.set()
    assert dispatcher.wait(task_id, 20).result["attempt"] == 1
    assert len(handler.seen) == 1


DYING_WORKER = """
import sys, threading
from meetingtasks.message_queue import RedisMessageQueue
queue = RedisMessageQueue(sys.argv[1], {"queue_name": sys.argv[2], "workers": 1, "visibility_timeout_s": 1})
def handle(message):
    print("handling", message.id)
    threading.Event().wait()
queue.register_handler(sys.argv[3], handle)
queue.start()
threading.Event().wait()
"""


def test_d1_25_a_killed_process_loses_its_message_after_the_visibility_timeout(
    broker_url: str,
    make_queue: Callable[..., RedisMessageQueue],
    dispatcher: TaskDispatcher,
    start_python: Callable[..., RunningProcess],
) -> None:
    queue = make_queue(visibility_timeout_s=1)
    handler = Recorder()
    queue.register_handler(TYPE, handler)
    task_id = queue.publish(Message(type=TYPE))
    child = start_python(DYING_WORKER, broker_url, QUEUE, TYPE)
    child.wait_for_line(f"handling {task_id}")
    child.close()  # kill -9
    killed = time.monotonic()
    queue.start()
    assert dispatcher.wait(task_id, 20).result["attempt"] == 2
    assert time.monotonic() - killed < 10
    record = dispatcher.get(task_id)
    assert [attempt.outcome for attempt in record.attempts] == ["lost", "completed"]


def test_what_runs_when_the_wait_at_stop_is_over_is_given_back(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue, second = make_queue(), make_queue()
    handler, other = Recorder(), Recorder()
    handler.go_on.clear()
    queue.register_handler(TYPE, handler)
    second.register_handler(TYPE, other)
    queue.start()
    task_id = queue.publish(Message(type=TYPE))
    eventually(lambda: handler.seen)
    queue.stop(wait_s=0)
    second.start()
    assert dispatcher.wait(task_id, 5).result["attempt"] == 2  # long before the lease of 30 s ran out
    assert dispatcher.get(task_id).retries == 0
    handler.go_on.set()


def test_a_type_without_a_handler_waits_for_one_elsewhere(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    queue.register_handler("other_task", lambda _message: None)
    queue.start()
    task_id = queue.publish(Message(type=TYPE, payload={"n": 5}))
    size = queue._deliveries.queue.size
    eventually(lambda: size().delayed == 1)
    queue.register_handler(TYPE, Recorder())
    assert dispatcher.wait(task_id, 20).result["n"] == 5
    assert dispatcher.get(task_id).attempt == 1


def test_chains_go_on_from_task_to_task(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(queue_name="custom_tasks")
    first, second = Recorder(), Recorder()
    queue.register_handler("custom_task_type_1", first)
    queue.register_handler("custom_task_type_2", second)
    queue.start()
    names = [f"meetingtasks.custom.custom_task_type_{number}" for number in (1, 2)]
    steps = [dispatcher.app.signature(name, kwargs={"n": n}, immutable=True) for n, name in enumerate(names)]
    (steps[0] | steps[1]).apply_async()
    eventually(lambda: second.seen)
    assert [recorder.seen[0].payload["n"] for recorder in (first, second)] == [0, 1]


@pytest.mark.parametrize(
    "result",
    [object(), {1, 2}, float("nan")],
    ids=["object", "set", "nan"],
)
def test_a_result_that_is_not_json_is_a_clear_failure(
    result: Any, make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    queue.register_handler(TYPE, lambda _message: result)
    queue.start()
    ended = dispatcher.wait(queue.publish(Message(type=TYPE)), 20)
    assert ended.error is not None
    assert ended.error["code"] == "invalid_result"


def test_a_handler_that_exits_is_a_failed_attempt_and_the_slot_lives_on(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(workers=1, max_retries=0)
    queue.register_handler(TYPE, lambda _message: sys.exit(3))
    queue.register_handler("quick_task", lambda _message: "done")
    queue.start()
    assert dispatcher.wait(queue.publish(Message(type=TYPE)), 20).status is TaskState.FAILED
    assert dispatcher.wait(queue.publish(Message(type="quick_task")), 20).result == "done"


def test_a_message_that_cannot_be_is_refused_and_nothing_is_queued(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue(queue_name="ai_tasks")
    good = Message(type="speech_recognition", payload={"audio_url": "file:///a.wav"})
    with pytest.raises(InvalidPayload, match="audio_uri"):
        queue.publish_batch([good, Message(type="speech_recognition", payload={"audio_uri": "file:///a.wav"})])
    with pytest.raises(InvalidPayload, match="type"):
        queue.publish({"type": "no spaces", "payload": {}})
    assert dispatcher.store.live_count() == 0
    assert queue.get_stats()["queue_length"] == 0


def test_a_batch_tells_which_ids_were_taken_and_sends_the_others(
    make_queue: Callable[..., RedisMessageQueue], dispatcher: TaskDispatcher
) -> None:
    queue = make_queue()
    first = Message(type=TYPE, id="once")
    queue.publish(first)
    others = [Message(type=TYPE) for _ in range(3)]
    with pytest.raises(TaskConflict) as raised:
        queue.publish_batch([first, *others])
    assert raised.value.details["task_ids"] == ["once"]
    assert queue.get_stats()["normal_pending"] == 4
    assert all(dispatcher.get(other.id).state is TaskState.PENDING for other in others)


def test_d1_31_d3_48_the_statistics_have_the_seeds_keys_and_true_numbers(
    make_queue: Callable[..., RedisMessageQueue],
) -> None:
    queue = make_queue()
    queue.publish_batch([Message(type=TYPE, priority=level) for level in Priority for _ in range(2)])
    stats = queue.get_stats()
    assert stats == {
        "total_published": 8,
        "total_processed": 0,
        "total_failed": 0,
        "total_retried": 0,
        "total_dead_letter": 0,
        "critical_pending": 2,
        "high_pending": 2,
        "normal_pending": 2,
        "low_pending": 2,
        "queue_length": 8,
        "processing_count": 0,
        "dead_letter_count": 0,
    }


def test_a_server_that_is_not_there_is_an_error() -> None:
    queue = RedisMessageQueue("redis+socket:///nowhere/redis.sock")
    with pytest.raises(BrokerUnavailable):
        queue.start()
    with pytest.raises(BrokerUnavailable):
        queue.publish(Message(type="speech_recognition", payload={"audio_url": "file:///a.wav"}))
    with pytest.raises(BrokerUnavailable):
        queue.get_stats()
    queue.stop()
