"""Cancelling many: by meeting with all that belongs to it, by filter, in chains, chords and runs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord

from meetingtasks.app import configuration
from meetingtasks.cancelling import CancelFilter, CancelReport
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BusinessError
from meetingtasks.queues import Queues
from meetingtasks.records import TaskRecord
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.runs import RunStore
from meetingtasks.store.tasks import Run
from tests.integration.core import stubborn_service
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

TYPE = "custom_task_type_1"
STUBBORN = "tests.integration.core.stubborn_service"
OWNER = "owner"
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture
def stubborn(broker_url: str) -> Iterator[Any]:
    """Point the stubborn service's app, by which chains are sent, to this test's server."""
    app = stubborn_service.app
    app.conf.update(configuration(load(broker_url=broker_url), default_queue="custom_tasks"))
    yield stubborn_service
    app.close()


def submit(dispatcher: TaskDispatcher, count: int = 1, **about: Any) -> list[str]:
    requests = [{"type": TYPE, "payload": {}, **about} for _ in range(count)]
    return [answer.task_id for answer in dispatcher.dispatch_batch(requests)]


def start(dispatcher: TaskDispatcher, task_id: str) -> None:
    run = Run(token=OWNER, worker="w", pid=1)
    assert isinstance(dispatcher.store.start(task_id, run, retries=0, otherwise={}), TaskRecord)


def messages(broker_url: str, queue: str = "custom_tasks") -> int:
    return int(Queues(load(broker_url=broker_url)).show(queue)["queue_length"])


@pytest.mark.parametrize("later", [{}, {"eta": LATER}], ids=["ready", "delayed"])
def test_the_message_of_a_cancelled_task_goes_from_its_queue(
    dispatcher: TaskDispatcher, broker_url: str, later: dict[str, Any]
) -> None:
    task_id, other = submit(dispatcher, 2, **later)
    assert dispatcher.cancel(task_id, reason="wrong file", actor="alice") == "cancelled"
    assert messages(broker_url) == 1
    assert dispatcher.cancel(other) == "cancelled"
    assert messages(broker_url) == 0
    record = dispatcher.get(task_id)
    assert (record.state, record.cancel_reason, record.cancel_actor) == (TaskState.CANCELLED, "wrong file", "alice")


def test_a_meeting_is_cancelled_as_one(dispatcher: TaskDispatcher, broker_url: str) -> None:
    mine = submit(dispatcher, 5, meeting_id=456)
    submit(dispatcher, 1, meeting_id=456, eta=LATER)
    others = submit(dispatcher, 2, meeting_id=45) + submit(dispatcher)
    start(dispatcher, mine[0])
    report = dispatcher.cancel_meeting("456", reason="called off", actor="host")
    assert report == CancelReport(cancelled=5, told=1, already_final=0)
    assert dispatcher.store.cancel_asked(mine[0], OWNER)
    assert {dispatcher.get_status(task_id) for task_id in mine[1:]} == {TaskState.CANCELLED}
    assert {dispatcher.get_status(task_id) for task_id in others} == {TaskState.PENDING}
    # the message of the one that was started by hand is still ready
    assert messages(broker_url) == len(others) + 1
    again = dispatcher.cancel_meeting(456)
    assert again == CancelReport(cancelled=0, told=1, already_final=0)


def test_the_meetings_index_holds_live_tasks_only(dispatcher: TaskDispatcher) -> None:
    store = dispatcher.store
    first, second = submit(dispatcher, 2, meeting_id="周会")
    assert set(store.client.zrange(keys.meeting("周会"), 0, -1)) == {first, second}
    dispatcher.cancel(first)
    assert store.client.zrange(keys.meeting("周会"), 0, -1) == [second]
    dispatcher.cancel(second)
    assert store.client.exists(keys.meeting("周会")) == 0


def test_a_run_of_the_meeting_ends_at_once_with_its_task(dispatcher: TaskDispatcher) -> None:
    (run_id,) = submit(dispatcher, meeting_id=1)
    start(dispatcher, run_id)
    runs = RunStore(dispatcher.store.client)
    runs.create(run_id, {}, token=OWNER)
    submit(dispatcher, meeting_id=1, pipeline_id=run_id)
    report = dispatcher.cancel_meeting(1)
    assert report == CancelReport(cancelled=2)
    assert dispatcher.get_status(run_id) is TaskState.CANCELLED
    run = runs.get(run_id)
    assert run is not None
    assert run.state == "cancelled"
    assert runs.live_ids() == []


@pytest.mark.parametrize(
    ("which", "fit"),
    [
        (CancelFilter(type="custom_task_type_2"), {1}),
        (CancelFilter(type="custom-service.custom_task_type_2"), {1}),
        (CancelFilter(user_id=7), {2, 3}),
        (CancelFilter(user_id="7", meeting_id=1), {3}),
        (CancelFilter(state=TaskState.SCHEDULED), {4}),
        (CancelFilter(queue="default"), {5}),
        (CancelFilter(meeting_id=2), set()),
    ],
    ids=["type", "alias", "user", "user of a meeting", "state", "queue", "nothing"],
)
def test_a_filter_finds_what_fits(dispatcher: TaskDispatcher, which: CancelFilter, fit: set[int]) -> None:
    about: list[dict[str, Any]] = [
        {},
        {"type": "custom_task_type_2"},
        {"user_id": 7},
        {"user_id": 7, "meeting_id": 1},
        {"eta": LATER},
        {"queue": "default"},
    ]
    ids = [submit(dispatcher, **one)[0] for one in about]
    expected = CancelReport(cancelled=len(fit))
    assert dispatcher.cancel_where(which, dry_run=True) == expected
    assert dispatcher.store.live_count() == len(ids)
    assert dispatcher.cancel_where(which) == expected
    ended = {n for n, task_id in enumerate(ids) if dispatcher.get_status(task_id) is TaskState.CANCELLED}
    assert ended == fit


def test_a_filter_that_says_nothing_cancels_nothing(dispatcher: TaskDispatcher) -> None:
    submit(dispatcher)
    with pytest.raises(BusinessError, match="say which"):
        dispatcher.cancel_where(CancelFilter())
    assert dispatcher.store.live_count() == 1


def test_a_large_meeting_is_cancelled_in_parts(dispatcher: TaskDispatcher, broker_url: str) -> None:
    for _ in range(3):
        submit(dispatcher, 500, meeting_id=1)
    told: list[int] = []
    report = dispatcher.cancel_where(
        CancelFilter(meeting_id=1), on_progress=lambda so_far: told.append(so_far.cancelled)
    )
    assert report == CancelReport(cancelled=1500)
    assert told == [500, 1000, 1500]
    assert messages(broker_url) == 0
    assert dispatcher.store.live_count() == 0


def test_later_steps_of_a_cancelled_chain_do_not_start(
    dispatcher: TaskDispatcher,
    broker_url: str,
    stubborn: Any,
    start_process: Callable[..., RunningProcess],
    tmp_path: Path,
) -> None:
    start_worker(start_process, broker_url, service=STUBBORN)
    trace, gate = tmp_path / "trace", tmp_path / "gate"
    first = stubborn.custom_task_type_1.si(name="first", trace=str(trace), gate=str(gate))
    later = stubborn.custom_task_type_1.si(name="later", trace=str(trace))
    first.set(headers={"mt_record": {"meeting_id": 5}})
    sent = chain(first, later, app=stubborn.app).apply_async()
    eventually(trace.exists)
    report = dispatcher.cancel_meeting(5)
    assert report == CancelReport(told=1)
    gate.touch()  # the first step goes on to its end, and only then the next one is sent
    eventually(lambda: dispatcher.store.live_count() == 0)
    assert dispatcher.get_status(sent.parent.id) is TaskState.CANCELLED
    record = eventually(lambda: dispatcher.store.get(sent.id))
    assert (record.state, record.attempt, record.meeting_id) == (TaskState.CANCELLED, 0, 5)
    eventually(lambda: messages(broker_url) == 0)
    assert trace.read_text().split() == ["first"]


def test_a_chord_ends_although_its_parts_were_cancelled(
    dispatcher: TaskDispatcher, broker_url: str, stubborn: Any, start_process: Callable[..., RunningProcess]
) -> None:
    parts = [stubborn.custom_task_type_2.si(n=n).set(headers={"mt_record": {"meeting_id": 5}}) for n in range(3)]
    body = chord(parts, app=stubborn.app)(stubborn.custom_task_type_2.si())
    report = dispatcher.cancel_meeting(5)
    assert report == CancelReport(cancelled=3)
    start_worker(start_process, broker_url, service=STUBBORN)
    eventually(lambda: messages(broker_url) == 0)
    eventually(body.ready)


def test_a_task_that_does_not_look_loses_its_process_after_the_grace(
    dispatcher: TaskDispatcher, broker_url: str, start_process: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    options, env = ("-P", "prefork", "-c", "1"), {"MT_CANCEL_GRACE_S": "0.2"}
    worker = start_worker(start_process, broker_url, *options, service=STUBBORN, env=env)
    trace, gate = tmp_path / "trace", tmp_path / "gate"
    about = {"trace": str(trace), "gate": str(gate)}
    (deaf,) = submit(dispatcher, payload={**about, "name": "deaf"})
    eventually(trace.exists, 20)
    assert dispatcher.cancel(deaf, reason="enough") == "running"
    answer = dispatcher.wait(deaf, 20)
    assert (answer.status, answer.error and answer.error["message"]) == (TaskState.CANCELLED, "enough")
    assert dispatcher.get(deaf).attempts[0].outcome == "cancelled"
    # its slot is free, and its message is gone: neither this worker nor another one starts it again
    after = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"trace": str(trace), "name": "after"}}, 20)
    assert after.status is TaskState.COMPLETED
    eventually(lambda: dispatcher.store.client.hlen("mq:{custom_tasks}:messages") == 0)
    assert trace.read_text().split() == ["deaf", "after"]
    assert "its process is ended" in worker.output
