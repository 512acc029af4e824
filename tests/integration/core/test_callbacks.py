"""The end of a task with a callback address is told once, signed, and tried again where that may help."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meetingtasks.callbacks import SubmitCallbacks, Webhooks, verify
from meetingtasks.callbacks.due import delivery_id_of
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import InvalidPayload, TaskConflict, TaskNotFound
from meetingtasks.records import TaskError, TaskRecord
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.store import keys, scripts
from meetingtasks.store.tasks import End, Run
from tests.support.endpoint import Endpoint, endpoint
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

SECRET = "s3cret"  # noqa: S105 - a test's own
OTHER, OTHER_SECRET = "b", "0ther"
OWNER = "owner"
HOOKS: dict[str, Any] = {"webhook_hosts": ["127.0.0.1"], "webhook_secrets": {"default": SECRET, OTHER: OTHER_SECRET}}
ENV = {f"MT_{name.upper()}": json.dumps(value) for name, value in HOOKS.items()} | {"MT_WEBHOOK_ALLOW_LOOPBACK": "1"}
WITHIN_S = 30.0


@pytest.fixture
def caller(broker_url: str) -> Iterator[TaskDispatcher]:
    """Give a dispatcher that accepts callback addresses on this machine."""
    with TaskDispatcher(settings=load(broker_url=broker_url, webhook_allow_loopback=True, **HOOKS)) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def submit(caller: TaskDispatcher, receiver: Endpoint, **about: Any) -> str:
    request = {"type": "custom_task_type_1", "payload": {}, "callback_url": f"{receiver.url}/ends", **about}
    return caller.dispatch(request).task_id


def end(caller: TaskDispatcher, task_id: str, state: TaskState, **how: Any) -> None:
    run = Run(token=OWNER, worker="w", pid=1)
    assert isinstance(caller.store.start(task_id, run, retries=0, otherwise={}), TaskRecord)
    assert caller.store.finish(task_id, OWNER, End(state=state, **how)) == state


def hasten(caller: TaskDispatcher, delivery_id: str, *, retry: int) -> None:
    """Let a retry be due at once, as soon as it is planned."""
    message = f"{delivery_id}:{retry}"
    eventually(lambda: caller.store.client.zadd("mq:{meeting_tasks}:delayed", {message: 0}, xx=True, ch=True), WITHIN_S)


def start_meeting_worker(start_process: Callable[..., RunningProcess], broker_url: str) -> RunningProcess:
    return start_worker(start_process, broker_url, service="workers.meeting", env=ENV)


def test_f35_every_end_is_told_once_signed(
    caller: TaskDispatcher, receiver: Endpoint, broker_url: str, start_process: Callable[..., RunningProcess]
) -> None:
    about = {"meeting_id": 456, "metadata": {"order": 1}}
    ids = {state: submit(caller, receiver, **about) for state in TaskState if state.is_final}
    failure = TaskError(code="media_invalid", error_class="business", message="no sound")
    end(caller, ids[TaskState.COMPLETED], TaskState.COMPLETED, result={"text": "会议"})
    end(caller, ids[TaskState.FAILED], TaskState.FAILED, error=failure, dead=True)
    end(caller, ids[TaskState.TIMEOUT], TaskState.TIMEOUT, error=failure)
    end(caller, ids[TaskState.EXPIRED], TaskState.EXPIRED)
    caller.cancel(ids[TaskState.CANCELLED], reason="called off")
    start_meeting_worker(start_process, broker_url)
    eventually(lambda: len(receiver.asked) >= len(ids) and caller.store.live_count() == 0, WITHIN_S)
    told = {body["task_id"]: body for body in (json.loads(asked.body) for asked in receiver.asked)}
    assert len(receiver.asked) == len(ids)
    for state, task_id in ids.items():
        assert (told[task_id]["event"], told[task_id]["status"]) == (f"task.{state}", state)
        assert (told[task_id]["meeting_id"], told[task_id]["metadata"]) == (456, {"order": 1})
    assert told[ids[TaskState.COMPLETED]]["result"] == {"text": "会议"}
    assert told[ids[TaskState.FAILED]]["error"] == {"code": "media_invalid", "message": "no sound"}
    assert told[ids[TaskState.CANCELLED]]["error"]["message"] == "called off"
    for asked in receiver.asked:
        assert verify(asked.headers, asked.body, SECRET)
        assert asked.path == "/ends"


def test_what_may_be_momentary_is_tried_again_and_what_is_refused_is_not(
    caller: TaskDispatcher, receiver: Endpoint, broker_url: str, start_process: Callable[..., RunningProcess]
) -> None:
    webhooks = Webhooks(caller)
    start_meeting_worker(start_process, broker_url)
    receiver.status = 503
    submitted = submit(caller, receiver, callback_secret=OTHER)
    caller.cancel(submitted)
    delivery_id = delivery_id_of(caller.get(submitted))
    hasten(caller, delivery_id, retry=1)
    eventually(lambda: len(receiver.asked) == 2, WITHIN_S)
    receiver.status = 200
    hasten(caller, delivery_id, retry=2)
    assert caller.wait(delivery_id, WITHIN_S).status is TaskState.COMPLETED
    assert len({asked.headers["x-meetingtasks-id"] for asked in receiver.asked}) == 1
    assert verify(receiver.asked[-1].headers, receiver.asked[-1].body, OTHER_SECRET)
    delivery = eventually(lambda: webhooks.get(delivery_id))
    assert (delivery.log.task_id, delivery.log.event) == (submitted, "task.cancelled")
    codes = [attempt.status_code for attempt in delivery.log.attempts]
    assert codes == [503, 503, 200]
    assert [attempt.attempt for attempt in delivery.log.attempts] == [1, 2, 3]

    receiver.asked.clear()
    receiver.status = 410
    refused = submit(caller, receiver)
    caller.cancel(refused)
    delivery_id = delivery_id_of(caller.get(refused))
    eventually(lambda: caller.store.get(delivery_id), WITHIN_S)
    answer = caller.wait(delivery_id, WITHIN_S)
    assert (answer.status, answer.error and answer.error["code"]) == (TaskState.FAILED, "webhook_refused")
    assert len(receiver.asked) == 1
    assert webhooks.get(delivery_id).log.attempts[0].error == "the receiver refused it: 410"

    receiver.status = 200
    again = webhooks.retry(delivery_id)
    assert caller.wait(again, WITHIN_S).status is TaskState.COMPLETED
    assert receiver.asked[0].headers["x-meetingtasks-id"] == receiver.asked[1].headers["x-meetingtasks-id"]
    assert [delivery.log.id for delivery in webhooks.recent(2)] == [again, delivery_id]


def test_a_process_that_dies_after_submitting_makes_one_delivery_all_the_same(
    caller: TaskDispatcher, receiver: Endpoint
) -> None:
    duty, client = SubmitCallbacks(caller.app), caller.store.client
    task_id = submit(caller, receiver)
    assert duty.run_once() == 0
    caller.cancel(task_id)
    due = client.zrange(keys.CALLBACKS, 0, -1, withscores=True)
    assert duty.run_once() == 1
    client.zadd(keys.CALLBACKS, dict(due))  # as it is when the process died just before the last step
    assert duty.run_once() == 1
    assert client.hlen("mq:{meeting_tasks}:messages") == 1
    assert client.zcard(keys.CALLBACKS) == 0
    assert [delivery.log.task_id for delivery in Webhooks(caller).recent()] == [task_id]


def test_an_end_that_came_anew_stays_due(caller: TaskDispatcher) -> None:
    client = caller.store.client
    client.zadd(keys.CALLBACKS, {"t": 2})
    assert scripts.load("callback_done")(client, [keys.CALLBACKS], ["t", 1]) == 0
    assert scripts.load("callback_done")(client, [keys.CALLBACKS], ["t", 2]) == 1


def test_a_result_too_large_for_a_message_is_left_to_be_asked_for(caller: TaskDispatcher, receiver: Endpoint) -> None:
    task_id = submit(caller, receiver)
    end(caller, task_id, TaskState.COMPLETED, result={"text": "x" * 300_000})
    assert SubmitCallbacks(caller.app).run_once() == 1
    record = caller.get(delivery_id_of(caller.get(task_id)))
    assert (record.payload["body"]["result"], record.payload["body"]["result_omitted"]) == (None, True)


def test_a_delivery_that_is_still_tried_cannot_be_repeated(caller: TaskDispatcher, receiver: Endpoint) -> None:
    task_id = submit(caller, receiver)
    caller.cancel(task_id)
    SubmitCallbacks(caller.app).run_once()
    with pytest.raises(TaskConflict):
        Webhooks(caller).retry(delivery_id_of(caller.get(task_id)))
    with pytest.raises(TaskNotFound):
        Webhooks(caller).retry("nobody")


def test_no_address_is_accepted_where_none_is_allowed(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(InvalidPayload, match="callbacks are off here"):
        dispatcher.dispatch({"type": "custom_task_type_1", "callback_url": "https://hooks.example.com/x"})
    assert dispatcher.store.counts() == {}


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"callback_url": "https://169.254.169.254/latest"}, "/callback_url"),
        ({"callback_url": "ftp://127.0.0.1/x"}, "/callback_url"),
        ({"callback_secret": "unknown"}, "/callback_secret"),
    ],
    ids=["host", "scheme", "secret"],
)
def test_an_address_that_will_not_be_called_is_refused_at_once(
    caller: TaskDispatcher, receiver: Endpoint, about: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        submit(caller, receiver, **about)
    assert refused.value.details["fields"][0]["field"] == field
