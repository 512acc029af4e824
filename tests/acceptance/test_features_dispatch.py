"""What the dispatcher promises to producers, shown with real workers in processes of their own."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.clock import SYSTEM
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import InvalidPayload, RouteConflict, UnknownTaskType
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskRequest, TaskResponse
from meetingtasks.routing import ServiceRoute
from meetingtasks.states import Priority, TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

Start = Callable[..., RunningProcess]
TYPE = "custom_task_type_1"
LEVELS = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.CRITICAL]


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


def test_d1_02_waiting_tasks_start_in_order_of_priority_and_then_of_acceptance(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Start, tmp_path: Path
) -> None:
    start_worker(start_process, broker_url, "-P", "solo")
    release, trace = tmp_path / "go", tmp_path / "trace"
    busy = dispatcher.dispatch({"type": TYPE, "payload": {"until_file": str(release)}})
    eventually(lambda: dispatcher.get_status(busy.task_id) is TaskState.RUNNING)
    last = [
        dispatcher.dispatch(
            {
                "type": TYPE,
                "priority": level.value,
                "payload": {"name": f"{level.value}-{number:02d}", "trace_file": str(trace)},
            }
        )
        for number in range(25)
        for level in LEVELS
    ]
    release.touch()
    for accepted in last:
        assert dispatcher.wait(accepted.task_id, 60).status is TaskState.COMPLETED
    started = [line.split()[0] for line in trace.read_text().splitlines()]
    assert started == [f"{level.value}-{number:02d}" for level in reversed(LEVELS) for number in range(25)]


ROUTE = ServiceRoute(
    service_name="custom-service", queue_name="custom_tasks", task_types=("custom_task_type_1", "custom_task_type_2")
)
OTHER_PROCESS = """
import sys
from meetingtasks.clock import SYSTEM
from meetingtasks.dispatcher import TaskDispatcher
with TaskDispatcher(sys.argv[1]) as dispatcher:
    print([row["queue"] for row in dispatcher.get_routes() if row["type"] == "plain_task"])
    print("id", dispatcher.dispatch({"type": "plain_task", "payload": {"echo": "by route"}}).task_id)
"""


def test_d1_15_a_worker_on_the_routes_queue_runs_its_types(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Start
) -> None:
    assert dispatcher.register_route(ROUTE.model_dump()) == ROUTE
    start_worker(start_process, broker_url, "-Q", "custom_tasks")
    for name in ROUTE.task_types:
        ended = dispatcher.dispatch_and_wait({"type": name, "payload": {"echo": name}}, 20)
        assert ended.result["echo"] == name


def test_d1_15_a_new_route_is_seen_by_another_process_and_kept(
    dispatcher: TaskDispatcher, broker_url: str, start_python: Start
) -> None:
    with pytest.raises(UnknownTaskType):
        dispatcher.dispatch({"type": "plain_task"})
    dispatcher.register_route({"service_name": "plain", "queue_name": "custom_tasks", "task_types": ["plain_task"]})
    other = start_python(OTHER_PROCESS, broker_url)
    assert other.wait_for_line("custom_tasks") == "['custom_tasks']\n"
    task_id = other.wait_for_line("id ").split()[1]
    assert other.wait() == 0
    record = dispatcher.get(task_id)
    assert (record.service, record.name, record.queue) == ("plain", "meetingtasks.plain.plain_task", "custom_tasks")
    assert dispatcher.remove_route("plain")
    assert not dispatcher.remove_route("plain")
    with pytest.raises(RouteConflict):
        dispatcher.register_route({"service_name": "p", "queue_name": "p", "task_types": ["speech_recognition"]})


def test_d1_16_every_field_of_a_request_is_on_its_record(dispatcher: TaskDispatcher) -> None:
    audio = base64.b64encode(b"RIFF").decode()
    request = TaskRequest(
        type="speech_recognition",
        priority=Priority.HIGH,
        user_id=123,
        meeting_id=456,
        session_id="session-123",
        payload={"audio_data": audio, "format": "wav", "sample_rate": 16000},
        timeout_s=30,
        max_retries=3,
    )
    accepted = dispatcher.dispatch(request)
    record = dispatcher.get(accepted.task_id)
    assert (record.type, record.priority, record.queue) == ("speech_recognition", Priority.HIGH, "ai_tasks")
    assert (record.user_id, record.meeting_id, record.session_id) == (123, 456, "session-123")
    assert (record.timeout_s, record.max_retries) == (30, 3)
    assert record.payload == {"audio_data": audio, "format": "wav", "sample_rate": 16000}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"priority": "urgent"}, "/priority"),
        ({"timeout": -1}, "/timeout"),
        ({"max_retries": "many"}, "/max_retries"),
        ({"is_admin": True}, "/is_admin"),
        ({"payload": {"audio_url": "file:///a.wav", "sample_rate": "fast"}}, "/payload/sample_rate"),
    ],
)
def test_d1_16_a_wrong_field_is_named_and_nothing_is_queued(
    wrong: dict[str, object], field: str, dispatcher: TaskDispatcher
) -> None:
    with pytest.raises(InvalidPayload) as raised:
        dispatcher.dispatch({"type": "speech_recognition", "payload": {"audio_url": "file:///a.wav"}, **wrong})
    assert [problem["field"] for problem in raised.value.details["fields"]] == [field]
    assert dispatcher.store.live_count() == 0


def test_d2_21_a_task_is_tracked_through_its_whole_life(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Start, tmp_path: Path
) -> None:
    release = tmp_path / "go"
    heard: list[TaskResponse] = []
    accepted = dispatcher.dispatch_async(
        {"type": TYPE, "payload": {"fail_times": 1, "until_file": str(release)}}, heard.append
    )
    seen = {dispatcher.get_status(accepted.task_id)}
    start_worker(start_process, broker_url, env={"MT_RETRY_BASE_S": "1", "MT_RETRY_JITTER": "false"})

    def is_running_again() -> TaskRecord | None:
        record = dispatcher.get(accepted.task_id)
        seen.add(record.state)
        return record if record.attempt == 2 and record.state is TaskState.RUNNING else None

    assert eventually(is_running_again, 20).retry_count == 1
    release.touch()
    assert dispatcher.wait(accepted.task_id, 20).status is TaskState.COMPLETED
    assert seen >= {TaskState.PENDING, TaskState.RETRYING, TaskState.RUNNING}
    assert eventually(lambda: heard)[0].status is TaskState.COMPLETED


def test_d4_07_a_request_in_the_words_of_the_queue_service_is_accepted(dispatcher: TaskDispatcher) -> None:
    accepted = dispatcher.dispatch(
        {
            "task_type": "content_generation",
            "queue_name": "processing",
            "priority": "high",
            "payload": {"topic": "AI technology", "style": "professional", "length": 1000},
            "max_retries": 3,
            "timeout": 300,
            "user_id": "user-123",
            "project_id": "project-456",
        }
    )
    record = dispatcher.get(accepted.task_id)
    assert (record.queue, record.priority, record.timeout_s) == ("processing", Priority.HIGH, 300)
    assert (record.user_id, record.project_id, record.max_retries) == ("user-123", "project-456", 3)


def test_d4_13_a_task_is_read_in_three_ways(dispatcher: TaskDispatcher, broker_url: str, start_process: Start) -> None:
    start_worker(start_process, broker_url)
    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"steps": 2, "echo": {"n": [1, 2]}}}, 20)
    assert dispatcher.get(ended.task_id).state is TaskState.COMPLETED
    assert dispatcher.get_progress(ended.task_id).progress == 100
    assert dispatcher.get_result(ended.task_id)["echo"] == {"n": [1, 2]}


def test_b_01_a_task_is_completed_by_its_handler_only(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Start
) -> None:
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"echo": "from the handler"}})
    assert dispatcher.get_stats() == {
        "total_dispatched": 1,
        "total_completed": 0,
        "total_failed": 0,
        "total_timeout": 0,
        "active_tasks": 1,
    }
    worker = start_worker(start_process, broker_url)
    ended = dispatcher.wait(accepted.task_id, 20)
    assert (ended.result["echo"], ended.result["pid"]) == ("from the handler", worker.pid)
    assert dispatcher.get_stats()["total_completed"] == 1


def test_b_12_neither_priority_nor_time_limit_nor_id_is_lost(dispatcher: TaskDispatcher) -> None:
    chosen = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    dispatcher.dispatch({"type": TYPE, "priority": "critical", "timeout": 7.5, "task_id": chosen})
    record = dispatcher.get(chosen)
    assert (record.priority, record.timeout_s) == (Priority.CRITICAL, 7.5)


def test_b_40_the_documented_payload_is_all_that_is_needed_and_nothing_of_one_task_is_in_the_next(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Start
) -> None:
    accepted = dispatcher.dispatch(
        {"type": "process_recording", "payload": {"audio_files": ["meeting.wav"], "meeting_type": "weekly_sync"}}
    )
    assert dispatcher.get(accepted.task_id).user_id is None
    start_worker(start_process, broker_url, "-P", "threads", "-c", "4")
    requests = [{"type": TYPE, "payload": {"echo": n, "steps": n % 3}, "user_id": n} for n in range(1, 41)]
    for number, answer in enumerate(dispatcher.dispatch_batch(requests), 1):
        assert dispatcher.wait(answer.task_id, 20).result["echo"] == number
        record = dispatcher.get(answer.task_id)
        assert (record.user_id, record.progress.total_steps) == (number, number % 3)


def test_d5_12_a_recording_of_a_gigabyte_is_accepted_in_milliseconds(
    dispatcher: TaskDispatcher, tmp_path: Path
) -> None:
    large = tmp_path / "meeting.wav"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    request = {"type": "process_recording", "payload": {"audio_files": [large.as_uri()]}}

    def accepting_s() -> float:
        began_s = SYSTEM.monotonic_s()
        accepted = dispatcher.dispatch(request)
        took_s = SYSTEM.monotonic_s() - began_s
        assert dispatcher.get(accepted.task_id).state is TaskState.PENDING
        return took_s

    # the quickest of several: the machine may be busy with other things, reading a gigabyte is never that quick
    assert min(accepting_s() for _ in range(10)) < 0.05
