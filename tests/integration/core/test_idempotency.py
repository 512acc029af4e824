"""One idempotency key is one task, however often and from wherever it is submitted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from meetingtasks import idempotency
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import InvalidPayload, TaskConflict
from meetingtasks.idempotency import KEPT_S
from meetingtasks.requests import TaskRequest
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.submission import Submission, prepare
from meetingtasks.task_types import CATALOGUE
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

REQUEST = {"type": "custom_task_type_1", "payload": {"n": 1}, "user_id": 7, "idempotency_key": "order 4711"}


def waiting(dispatcher: TaskDispatcher) -> int:
    return int(dispatcher.store.client.hlen("mq:{custom_tasks}:messages"))


def claimed(dispatcher: TaskDispatcher, **about: Any) -> Submission:
    """Claim a key as a process does that dies before it sends anything."""
    request = TaskRequest(**{**REQUEST, **about})
    submission = prepare(request, CATALOGUE, {}, broker_url="redis://")
    settled = idempotency.settle(dispatcher.store, [submission])[0]
    assert isinstance(settled, Submission)
    return settled


def test_d2_36_the_same_key_and_body_is_the_task_that_was_there_first(dispatcher: TaskDispatcher) -> None:
    first = dispatcher.dispatch(REQUEST)
    second = dispatcher.dispatch(REQUEST)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert (second.task_id, second.status) == (first.task_id, TaskState.PENDING)
    assert waiting(dispatcher) == 1
    assert dispatcher.store.counts()["dispatched"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"payload": {"n": 2}},
        {"priority": "high"},
        {"type": "custom_task_type_2"},
        {"meeting_id": 9},
        {"max_retries": 0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_same_key_with_another_body_is_a_conflict_that_names_the_task(
    dispatcher: TaskDispatcher, other: dict[str, Any]
) -> None:
    first = dispatcher.dispatch(REQUEST)
    with pytest.raises(TaskConflict) as refused:
        dispatcher.dispatch({**REQUEST, **other})
    assert refused.value.code == "idempotency_conflict"
    assert refused.value.details == {"task_id": first.task_id}
    assert waiting(dispatcher) == 1


def test_what_only_names_the_request_does_not_make_it_another(dispatcher: TaskDispatcher) -> None:
    first = dispatcher.dispatch({**REQUEST, "trace_id": "a"})
    again = dispatcher.dispatch({**REQUEST, "type": "custom-service.custom_task_type_1", "trace_id": "b"})
    assert again.task_id == first.task_id


@pytest.mark.parametrize("owner", [{"user_id": 8}, {"user_id": None}, {"project_id": "acme"}], ids=str)
def test_each_owner_has_keys_of_its_own(dispatcher: TaskDispatcher, owner: dict[str, Any]) -> None:
    assert dispatcher.dispatch({**REQUEST, **owner}).task_id != dispatcher.dispatch(REQUEST).task_id


def test_fifty_at_once_are_one_task(dispatcher: TaskDispatcher) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: dispatcher.dispatch(REQUEST), range(50)))
    assert len({answer.task_id for answer in answers}) == 1
    assert waiting(dispatcher) == 1
    assert dispatcher.store.counts()["dispatched"] == 1


def test_a_claim_whose_process_died_before_it_sent_anything_is_made_good_by_the_next(
    dispatcher: TaskDispatcher,
) -> None:
    dead = claimed(dispatcher)
    assert dispatcher.store.get(dead.task_id) is None
    answer = dispatcher.dispatch(REQUEST)
    assert answer.task_id == dead.task_id
    assert dispatcher.get(answer.task_id).payload == {"n": 1}
    assert waiting(dispatcher) == 1


def test_a_batch_keeps_to_keys_too(dispatcher: TaskDispatcher) -> None:
    first = dispatcher.dispatch(REQUEST)
    plain = {"type": "custom_task_type_1", "payload": {}}
    fresh = {**REQUEST, "idempotency_key": "another"}
    answers = dispatcher.dispatch_batch([REQUEST, {**REQUEST, "payload": {"n": 2}}, plain, fresh, fresh])
    assert answers[0].task_id == first.task_id
    assert answers[0].duplicate
    assert answers[1].error is not None
    assert answers[1].error["code"] == "idempotency_conflict"
    assert [answer.ok for answer in answers] == [True, False, True, True, True]
    assert answers[3].task_id == answers[4].task_id
    assert waiting(dispatcher) == 3


def test_a_repeat_after_the_end_gets_the_result(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Callable[..., RunningProcess]
) -> None:
    start_worker(start_process, broker_url)
    first = dispatcher.dispatch_and_wait({**REQUEST, "payload": {"echo": "会议"}}, 20)
    again = dispatcher.dispatch({**REQUEST, "payload": {"echo": "会议"}})
    assert again.duplicate
    assert (again.task_id, again.status, again.result) == (first.task_id, TaskState.COMPLETED, first.result)
    assert dispatcher.store.client.hget("mq:{custom_tasks}:state", "enqueued") == "1"


def test_the_record_is_kept_as_long_as_the_key(dispatcher: TaskDispatcher) -> None:
    store = dispatcher.store
    task_id = dispatcher.dispatch(REQUEST).task_id
    name = store.field(task_id, "claim")
    assert 0 < store.client.ttl(keys.claim(str(name))) <= KEPT_S
    store.client.expire(keys.claim(str(name)), 2 * KEPT_S)  # as if records were kept for half as long as keys
    dispatcher.cancel(task_id)
    assert store.client.ttl(keys.task(task_id)) > 1.9 * KEPT_S
    store.forget(task_id)
    assert dispatcher.get(task_id).payload is None
    assert dispatcher.dispatch(REQUEST).task_id == task_id


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "line\nbreak", "\x7f", "nul\0"], ids=repr)
def test_a_key_that_is_none_is_refused(dispatcher: TaskDispatcher, key: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        dispatcher.dispatch({**REQUEST, "idempotency_key": key})
    assert refused.value.details["fields"][0]["field"] == "/idempotency_key"
    assert dispatcher.store.counts() == {}


def test_a_key_and_an_id_of_ones_own_exclude_each_other(dispatcher: TaskDispatcher) -> None:
    with pytest.raises(InvalidPayload, match="exclude each other"):
        dispatcher.dispatch({**REQUEST, "task_id": "1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11"})
