"""One idempotency key is one task while the broker is away too, and after it is back."""

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from meetingtasks import idempotency
from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import TaskConflict
from meetingtasks.requests import TaskRequest
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.submission import Submission, prepare
from meetingtasks.task_types import CATALOGUE
from tests.integration.outbox.conftest import Open
from tests.integration.outbox.test_dispatching import REQUEST, is_back
from tests.integration.outbox.test_forwarding import dies_before_it_removes, forwarder
from tests.support.processes import RunningProcess

KEYED = {**REQUEST, "idempotency_key": "order 4711"}
OTHER = {**KEYED, "payload": {"n": 2}}
Queue = Callable[..., LeaseQueue]
#: submits under the key, says as what, and keeps it to itself that the broker comes back
SUBMITTER = """
import json, sys
from meetingtasks.dispatcher import TaskDispatcher
dispatcher = TaskDispatcher()
dispatcher.outbox._ensure_thread = lambda: None
print("answered", dispatcher.dispatch(json.loads(sys.argv[1])).task_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def silent(broker: EmbeddedServer, tmp_path: Path) -> Iterator[TaskDispatcher]:
    """Return a dispatcher that sends on what it keeps only when the test does so."""
    dispatcher = TaskDispatcher(settings=load(broker_url=broker.url, outbox_path=tmp_path / "outbox"))
    assert dispatcher.outbox is not None
    dispatcher.outbox._ensure_thread = lambda: None  # type: ignore[method-assign] # its duty is done by the test
    yield dispatcher
    dispatcher.stop()


@pytest.fixture
def another(broker: EmbeddedServer, tmp_path: Path) -> Iterator[TaskDispatcher]:
    """Return a dispatcher of this machine as in a process that never found the broker away; it sends nothing on."""
    # the same file, but another outbox of this process: the name of the default user may be left out
    url = broker.url.replace("redis://:", "redis://default:")
    assert url != broker.url
    dispatcher = TaskDispatcher(settings=load(broker_url=url, outbox_path=tmp_path / "outbox"))
    yield dispatcher
    dispatcher.stop()


@pytest.fixture
def elsewhere(open_dispatcher: Open, tmp_path: Path) -> Callable[[], TaskDispatcher]:
    """Open a dispatcher of another machine."""
    return lambda: open_dispatcher(outbox_path=tmp_path / "elsewhere")


def claimed_by_a_dead_process(dispatcher: TaskDispatcher) -> str:
    """Claim the key as a process does that dies before it sends anything; returns the claimed task id."""
    submission = prepare(TaskRequest(**KEYED), CATALOGUE, {}, broker_url="redis://")
    settled = idempotency.settle(dispatcher.store, [submission])[0]
    assert isinstance(settled, Submission)
    return settled.task_id


def kept_tasks(dispatcher: TaskDispatcher) -> int:
    assert dispatcher.outbox is not None
    return dispatcher.outbox.file.totals().tasks


def test_twenty_at_once_are_one_kept_task_and_one_message(
    dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    broker.kill()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: dispatcher.dispatch(KEYED), range(20)))
    assert {answer.status for answer in answers} == {TaskState.BUFFERED}
    assert [answer.duplicate for answer in answers].count(False) == 1
    (task_id,) = {answer.task_id for answer in answers}
    assert kept_tasks(dispatcher) == 1
    broker.restart()
    is_back(dispatcher)
    again = dispatcher.dispatch(KEYED)
    assert (again.task_id, again.duplicate, again.status) == (task_id, True, TaskState.PENDING)
    with pytest.raises(TaskConflict):
        dispatcher.dispatch(OTHER)
    assert (queue().size().total_ready, dispatcher.get_stats()["total_dispatched"]) == (1, 1)


def test_another_request_under_the_key_of_a_kept_task_is_a_conflict_that_names_it(
    dispatcher: TaskDispatcher, broker: EmbeddedServer
) -> None:
    broker.kill()
    kept = dispatcher.dispatch(KEYED).task_id
    with pytest.raises(TaskConflict) as refused:
        dispatcher.dispatch(OTHER)
    assert (refused.value.code, refused.value.details) == ("idempotency_conflict", {"task_id": kept})
    assert not dispatcher.dispatch({**OTHER, "user_id": 8}).duplicate  # another owner's key
    assert kept_tasks(dispatcher) == 2


def test_the_keys_of_a_batch_are_kept_too(dispatcher: TaskDispatcher, broker: EmbeddedServer, queue: Queue) -> None:
    broker.kill()
    first, twin, other, plain = dispatcher.dispatch_batch([KEYED, KEYED, OTHER, REQUEST])
    assert (twin.task_id, twin.duplicate, twin.status) == (first.task_id, True, TaskState.BUFFERED)
    assert other.error is not None
    assert other.error["code"] == "idempotency_conflict"
    assert plain.status is TaskState.BUFFERED
    assert [answer.duplicate for answer in dispatcher.dispatch_batch([KEYED, REQUEST])] == [True, False]
    broker.restart()
    is_back(dispatcher)
    assert queue().size().total_ready == 3


def test_a_repeat_on_this_machine_finds_what_a_killed_process_kept(
    silent: TaskDispatcher,
    another: TaskDispatcher,
    broker: EmbeddedServer,
    queue: Queue,
    start_process: Callable[..., RunningProcess],
) -> None:
    broker.kill()
    assert silent.outbox is not None
    env = {"MT_BROKER_URL": broker.url, "MT_OUTBOX_PATH": str(silent.outbox.file.path.parent)}
    request = '{"type": "custom_task_type_1", "payload": {"n": 1}, "idempotency_key": "order 4711"}'
    submitter = start_process([sys.executable, "-u", "-c", SUBMITTER, request], env=env)
    kept = submitter.wait_for_line("answered", 60).split()[-1]
    submitter.send(signal.SIGKILL)
    submitter.wait()
    assert silent.dispatch(KEYED).task_id == kept
    broker.restart()
    assert another.dispatch(KEYED).task_id == kept  # the store knows nothing of it yet, the file does
    assert forwarder(another).forward() == 1
    assert another.dispatch(KEYED).task_id == kept
    assert queue().size().total_ready == 1


@pytest.mark.parametrize("dies", [False, True], ids=["", "the first sender dies before it removes"])
@pytest.mark.parametrize("request_elsewhere", [KEYED, OTHER], ids=["same", "other"])
def test_a_key_that_was_used_elsewhere_meanwhile_ends_the_kept_task_with_a_reason(
    silent: TaskDispatcher,
    broker: EmbeddedServer,
    elsewhere: Callable[[], TaskDispatcher],
    queue: Queue,
    *,
    request_elsewhere: dict[str, Any],
    dies: bool,
) -> None:
    broker.kill()
    kept = silent.dispatch(KEYED).task_id
    broker.restart()
    there = elsewhere().dispatch(request_elsewhere).task_id
    if dies:
        dies_before_it_removes(silent)
    assert forwarder(silent).forward() == 1
    record = silent.get(kept)
    assert record.state is TaskState.CANCELLED
    same = request_elsewhere is KEYED
    assert record.cancel_reason == (
        f"duplicate of {there}"
        if same
        else f"this idempotency key was used for another request, which became task {there}"
    )
    assert (queue().size().total_ready, silent.get_stats()["active_tasks"]) == (1, 1)
    assert silent.wait(kept, 5).status is TaskState.CANCELLED


@pytest.mark.parametrize("dies", [False, True], ids=["", "the first sender dies before it removes"])
def test_a_claim_of_a_process_that_died_before_it_sent_anything_is_made_good(
    silent: TaskDispatcher, another: TaskDispatcher, broker: EmbeddedServer, queue: Queue, *, dies: bool
) -> None:
    claimed = claimed_by_a_dead_process(silent)
    broker.kill()
    kept = silent.dispatch(KEYED).task_id
    broker.restart()
    if dies:
        dies_before_it_removes(silent)
    assert forwarder(silent).forward() == 1
    assert (silent.get_status(claimed), silent.get(claimed).payload) == (TaskState.PENDING, KEYED["payload"])
    assert silent.get(kept).cancel_reason == f"duplicate of {claimed}"
    assert [stored.id.partition(":")[0] for stored in queue().peek()] == [claimed]
    assert silent.get_stats()["active_tasks"] == 1
    assert another.dispatch(KEYED).task_id == claimed


@pytest.mark.parametrize("dies_at", ["rename", "settle"])
def test_a_sender_that_dies_while_it_makes_a_claim_good_leaves_it_to_the_next(
    silent: TaskDispatcher, broker: EmbeddedServer, queue: Queue, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    claimed = claimed_by_a_dead_process(silent)
    broker.kill()
    kept = silent.dispatch(KEYED).task_id
    broker.restart()
    assert silent.outbox is not None
    with monkeypatch.context() as dying:
        dying.setattr(silent.outbox.file, dies_at, _die)
        with pytest.raises(SystemExit):
            forwarder(silent).forward()
    assert kept_tasks(silent) == 1
    assert forwarder(silent).forward() == 1
    assert silent.get(kept).cancel_reason == f"duplicate of {claimed}"
    assert [stored.id.partition(":")[0] for stored in queue().peek()] == [claimed]
    assert silent.get_stats()["active_tasks"] == 1


def _die(*_: Any) -> None:
    raise SystemExit


def test_a_sender_that_dies_after_it_claimed_the_key_leaves_the_task_its_own(
    silent: TaskDispatcher, broker: EmbeddedServer, queue: Queue
) -> None:
    broker.kill()
    kept = silent.dispatch(KEYED).task_id
    broker.restart()
    dead = forwarder(silent)
    assert silent.outbox is not None
    dead._still_to_send(silent.outbox.file.claim(dead._me, 10))
    silent.outbox.file.release(dead._me)
    assert forwarder(silent).forward() == 1
    assert silent.get_status(kept) is TaskState.PENDING
    assert queue().size().total_ready == 1
