"""The dispatcher without any worker: what it accepts, refuses, keeps and forgets."""

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import (
    BrokerUnavailable,
    InvalidPayload,
    MeetingTasksError,
    RouteConflict,
    SettingsError,
    TaskConflict,
    TaskFailed,
    TaskNotFound,
    WaitTimeout,
)
from meetingtasks.records import TaskError
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState
from meetingtasks.store.tasks import End, Run
from tests.support.eventually import eventually

TYPE = "custom_task_type_1"
UUID = "0f3c7c1e-9a50-4f6e-8f6e-2d9c1b0a7e55"
BILLING = {"service_name": "billing-service", "queue_name": "billing_tasks", "task_types": ["invoice"]}


def end(dispatcher: TaskDispatcher, task_id: str, state: TaskState = TaskState.COMPLETED, result: Any = None) -> None:
    """Run a task as a worker would, up to its end."""
    token = f"token of {task_id}"
    dispatcher.store.start(task_id, Run(token=token, worker="w", pid=1), retries=0, otherwise={})
    error = TaskError(code="dns", error_class="network", message="没有这个名字") if state is TaskState.FAILED else None
    assert dispatcher.store.finish(task_id, token, End(state=state, result=result, error=error)) == state


def waiting_messages(dispatcher: TaskDispatcher, queue: str = "custom_tasks") -> int:
    with dispatcher.app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return int(channel._size(queue))


# -- submitting ---------------------------------------------------------------------------------------------------


def test_d1_17_the_id_is_findable_at_once_and_its_message_waits(dispatcher: TaskDispatcher) -> None:
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"n": 1}})
    assert dispatcher.get(accepted.task_id).payload == {"n": 1}
    assert dispatcher.get_status(accepted.task_id) is TaskState.PENDING
    assert waiting_messages(dispatcher) == 1


@pytest.mark.parametrize(
    "request_fields",
    [
        {"type": "no_such_type"},
        {"type": "speech_recognition"},
        {"type": TYPE, "priority": 5},
        {"type": TYPE, "queue": "ai_tasks"},
        {"type": TYPE, "payload": {"a": {1}}},
        {"type": TYPE, "metadata": {"a": "\ud800"}},
        {"type": TYPE, "eta": "0001-01-01T00:00:00+14:00"},
        {"type": TYPE, "user_id": 10**400},
        {},
    ],
    ids=str,
)
def test_b_39_a_refused_request_leaves_nothing_behind(dispatcher: TaskDispatcher, request_fields: Any) -> None:
    before = set(dispatcher.store.client.keys("*"))
    with pytest.raises(MeetingTasksError):
        dispatcher.dispatch(request_fields)
    assert dispatcher.store.live_count() == 0
    assert set(dispatcher.store.client.keys("*")) == before


def test_b_39_record_and_message_are_written_together_or_not_at_all(dispatcher: TaskDispatcher) -> None:
    dispatcher.dispatch({"type": TYPE, "task_id": UUID})  # everything that a first task sets up is there
    client = dispatcher.store.client
    client.config_set("maxmemory", "1")  # the server refuses every write from here on
    try:
        with pytest.raises(MeetingTasksError):
            dispatcher.dispatch({"type": TYPE})
    finally:
        client.config_set("maxmemory", "0")
    assert dispatcher.store.live_ids() == [UUID]
    assert waiting_messages(dispatcher) == 1


def test_a_full_server_is_told_as_such(dispatcher: TaskDispatcher) -> None:
    client = dispatcher.store.client
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(BrokerUnavailable, match="refuses") as raised:
            dispatcher.dispatch({"type": TYPE})
    finally:
        client.config_set("maxmemory", "0")
    assert "memory" in raised.value.message


def test_a_chosen_id_is_taken_once(dispatcher: TaskDispatcher) -> None:
    assert dispatcher.dispatch({"type": TYPE, "task_id": UUID, "payload": {"n": 1}}).task_id == UUID
    with pytest.raises(TaskConflict, match=UUID):
        dispatcher.dispatch({"type": TYPE, "task_id": UUID, "payload": {"n": 2}})
    assert dispatcher.get(UUID).payload == {"n": 1}
    assert waiting_messages(dispatcher) == 1


def test_d1_19_an_id_that_is_taken_is_one_items_error(dispatcher: TaskDispatcher) -> None:
    dispatcher.dispatch({"type": TYPE, "task_id": UUID})
    answers = dispatcher.dispatch_batch([{"type": TYPE}, {"type": TYPE, "task_id": UUID}, {"type": TYPE}])
    assert [answer.error["code"] if answer.error else None for answer in answers] == [None, "task_conflict", None]
    assert dispatcher.store.live_count() == waiting_messages(dispatcher) == 3


def test_the_same_id_twice_in_a_batch_is_one_task(dispatcher: TaskDispatcher) -> None:
    answers = dispatcher.dispatch_batch([{"type": TYPE, "task_id": UUID, "payload": {"n": n}} for n in (1, 2)])
    assert [answer.ok for answer in answers] == [True, False]
    assert dispatcher.get(UUID).payload == {"n": 1}
    assert waiting_messages(dispatcher) == 1


def test_d1_19_every_kind_of_bad_item_is_answered_and_the_good_ones_go(dispatcher: TaskDispatcher) -> None:
    bad: list[Any] = [
        {"type": "nope"},
        {"type": TYPE, "eta": "0001-01-01T00:00:00+14:00"},
        {"type": TYPE, "payload": {"a": {1}}},
        {"type": TYPE, "user_id": 10**400},
        {"type": TYPE, "timeout": float("nan")},
        {},
    ]
    answers = dispatcher.dispatch_batch([{"type": TYPE}, *bad, {"type": TYPE}])
    assert [answer.ok for answer in answers] == [True, *[False] * len(bad), True]
    assert all(answer.error and answer.error["message"] for answer in answers[1:-1])
    assert dispatcher.store.live_count() == 2


def test_a_batch_above_its_limit_is_refused_whole(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(MeetingTasksError, match="at most 500"):
        dispatcher.dispatch_batch([{"type": TYPE}] * 501)
    assert dispatcher.dispatch_batch([]) == []
    assert dispatcher.store.live_count() == 0


# -- asking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["get", "get_status", "get_progress", "get_result", "cancel"])
def test_an_unknown_task_is_an_error_that_names_it(dispatcher: TaskDispatcher, ask: str) -> None:
    with pytest.raises(TaskNotFound, match="'t-1'"):
        getattr(dispatcher, ask)("t-1")


def test_a_failed_tasks_result_is_its_error(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    end(dispatcher, task_id, TaskState.FAILED)
    with pytest.raises(TaskFailed, match="没有这个名字") as raised:
        dispatcher.get_result(task_id)
    assert raised.value.code == "dns"
    assert dispatcher.wait(task_id, 5).error == raised.value.details["error"]


def test_x_05_a_task_is_cancelled_once_and_the_answer_stays_the_same(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    assert [dispatcher.cancel(task_id), dispatcher.cancel(task_id)] == ["cancelled", "cancelled"]
    answer = dispatcher.wait(task_id, 5)
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (TaskState.CANCELLED, "cancelled")


def test_x_05_a_callback_may_be_registered_later_and_runs_once(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    heard: list[TaskResponse] = []
    dispatcher.register_callback(task_id, heard.append)
    end(dispatcher, task_id, result=5)
    eventually(lambda: heard)
    after: list[TaskResponse] = []
    dispatcher.register_callback(task_id, after.append)
    eventually(lambda: after)
    assert [answer.result for answer in (*heard, *after)] == [5, 5]
    with pytest.raises(TaskNotFound):
        dispatcher.register_callback("t-1", heard.append)


def test_the_statistics_count_what_happened(dispatcher: TaskDispatcher) -> None:
    first, second, _ = (dispatcher.dispatch({"type": TYPE}).task_id for _ in range(3))
    end(dispatcher, first)
    end(dispatcher, second, TaskState.FAILED)
    assert dispatcher.get_stats() == {
        "total_dispatched": 3,
        "total_completed": 1,
        "total_failed": 1,
        "total_timeout": 0,
        "active_tasks": 1,
    }


# -- waiting ------------------------------------------------------------------------------------------------------


def test_a_wait_that_is_given_up_leaves_nothing_behind(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    with pytest.raises(WaitTimeout):
        dispatcher.wait(task_id, 0.05)
    with pytest.raises(WaitTimeout):
        dispatcher.dispatch_and_wait({"type": TYPE}, 0.05)
    assert dispatcher._ends.watched == 0


def test_one_who_gives_up_does_not_take_the_others_along(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    heard: list[TaskResponse] = []
    dispatcher.register_callback(task_id, heard.append)
    with pytest.raises(WaitTimeout):
        dispatcher.wait(task_id, 0.05)
    end(dispatcher, task_id)
    eventually(lambda: heard)


def test_an_end_is_told_although_its_word_was_lost(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    heard: list[TaskResponse] = []
    dispatcher.register_callback(task_id, heard.append)
    eventually(lambda: dispatcher.store.client.pubsub_channels("*"))
    dispatcher.store.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    end(dispatcher, task_id)
    eventually(lambda: heard, within_s=10)
    assert len(heard) == 1


def test_b_14_the_memory_of_a_dispatcher_stays_flat(dispatcher: TaskDispatcher) -> None:
    heard = threading.Semaphore(0)

    def one_round(number: int) -> int:
        for _ in range(number):
            accepted = dispatcher.dispatch_async({"type": TYPE, "payload": {"n": 1}}, lambda _: heard.release())
            end(dispatcher, accepted.task_id)
        for _ in range(number):
            assert heard.acquire(timeout=20)
        assert dispatcher._ends.watched == 0
        gc.collect()
        return sys.getallocatedblocks()

    one_round(100)
    before = one_round(100)
    left_behind = one_round(500) - before
    assert left_behind < 250, f"{left_behind} blocks of memory stay behind after 500 tasks"


# -- life ---------------------------------------------------------------------------------------------------------


def test_d1_14_stop_is_idempotent_and_leaves_no_threads(broker_url: str) -> None:
    before = set(threading.enumerate())
    dispatcher = TaskDispatcher(broker_url).start()
    dispatcher.dispatch_async({"type": TYPE}, print)
    eventually(lambda: dispatcher.store.client.pubsub_channels("*"))
    dispatcher.stop()
    dispatcher.stop()
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://h", ""])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="broker_url"):
        TaskDispatcher(url)


CALLS: dict[str, Callable[[TaskDispatcher], object]] = {
    "start": lambda d: d.start(),
    "dispatch": lambda d: d.dispatch({"type": TYPE}),
    "dispatch_custom": lambda d: d.dispatch({"type": "invoice"}),
    "dispatch_batch": lambda d: d.dispatch_batch([{"type": TYPE}]),
    "get": lambda d: d.get("t"),
    "wait": lambda d: d.wait("t", 1),
    "cancel": lambda d: d.cancel("t"),
    "get_stats": lambda d: d.get_stats(),
    "get_routes": lambda d: d.get_routes(),
    "register_route": lambda d: d.register_route(BILLING),
    "remove_route": lambda d: d.remove_route("billing-service"),
}


@pytest.fixture(scope="module")
def gone() -> TaskDispatcher:
    """Return the dispatcher of a server that is no more."""
    with EmbeddedServer() as server:
        url = server.url
    return TaskDispatcher(url)


@pytest.mark.parametrize("call", CALLS)
def test_row_41_a_server_that_is_away_is_one_error_everywhere(gone: TaskDispatcher, call: str) -> None:
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        CALLS[call](gone)


# -- routes -------------------------------------------------------------------------------------------------------


def test_d1_15_a_route_is_registered_listed_and_removed(dispatcher: TaskDispatcher) -> None:
    dispatcher.register_route(BILLING)
    row = {"type": "invoice", "service": "billing-service", "queue": "billing_tasks"}
    assert {**row, "celery_name": "meetingtasks.billing.invoice"} in dispatcher.get_routes()
    assert dispatcher.remove_route("billing-service") is True
    assert dispatcher.remove_route("billing-service") is False
    with pytest.raises(MeetingTasksError, match="unknown task type"):
        dispatcher.dispatch({"type": "invoice"})


def test_d1_15_a_route_may_have_a_queue_of_its_own(dispatcher: TaskDispatcher) -> None:
    dispatcher.register_route(BILLING)
    accepted = dispatcher.dispatch({"type": "invoice", "payload": {"amount": 5}})
    assert dispatcher.get(accepted.task_id).queue == "billing_tasks"
    assert waiting_messages(dispatcher, "billing_tasks") == 1
    (batched,) = dispatcher.dispatch_batch([{"type": "invoice"}])
    assert batched.ok


def test_a_bad_route_is_refused_by_field(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(InvalidPayload) as raised:
        dispatcher.register_route({**BILLING, "queue_name": "a b", "colour": "red"})
    assert {problem["field"] for problem in raised.value.details["fields"]} == {"/queue_name", "/colour"}


def test_a_type_has_one_service(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(RouteConflict, match="belongs to ai"):
        dispatcher.register_route({**BILLING, "task_types": ["speech_recognition"]})
    dispatcher.register_route(BILLING)
    dispatcher.register_route(BILLING)
    with pytest.raises(RouteConflict, match="belongs to billing-service"):
        dispatcher.register_route({**BILLING, "service_name": "refunds", "task_types": ["refund", "invoice"]})
    assert [row["service"] for row in dispatcher.get_routes() if row["type"] in ("invoice", "refund")] == [
        "billing-service"
    ]
