"""Sessions and their requests as Python sees them; tasks are run by hand, so that each moment can be looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetingtasks.clock import SYSTEM, ManualClock
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import Forbidden, InvalidPayload, TaskConflict, UnknownTaskType
from meetingtasks.records import Progress, TaskError
from meetingtasks.sessions import ClientTaskManager, ClientTaskRequest, ClientTaskResponse
from meetingtasks.sessions.errors import SessionBusy, SessionTaken, SessionUnknown
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.tasks import End, Run
from tests.support.eventually import eventually

NAME = "session-123"


def asked(request_id: str, **about: Any) -> ClientTaskRequest:
    return ClientTaskRequest(
        **{"request_id": request_id, "session_id": NAME, "type": "chat.send", "data": CHAT, **about}
    )


CHAT = {"message": "hello"}
OWNER = "t"  # the token of the one attempt


def run(dispatcher: TaskDispatcher, task_id: str, state: TaskState | None = TaskState.COMPLETED) -> None:
    """Start a task, and end it in a state unless that is None."""
    store = dispatcher.store
    if dispatcher.get_status(task_id) is not TaskState.RUNNING:
        store.start(task_id, Run(token=OWNER, worker="w", pid=1), retries=0, otherwise={})
    if state is TaskState.COMPLETED:
        store.finish(task_id, OWNER, End(state=state, result={"ok": True}))
    elif state is not None:
        store.finish(
            task_id, OWNER, End(state=state, error=TaskError(code="bad", error_class="business", message="no"))
        )


def later(dispatcher: TaskDispatcher, broker_url: str, seconds: float) -> ClientTaskManager:
    """Return a manager whose clock is ahead."""
    clock = ManualClock(SYSTEM.now_ms())
    clock.advance(seconds)
    return ClientTaskManager(dispatcher, settings=load(broker_url=broker_url), clock=clock)


def test_d1_20_d1_21_an_unregistered_session_is_refused(manager: ClientTaskManager) -> None:
    with pytest.raises(SessionUnknown):
        manager.submit(asked("r"))
    manager.register_session(NAME, 123, 456)
    assert manager.submit(asked("r")).request_id == "r"
    assert manager.unregister_session(NAME)
    assert not manager.unregister_session(NAME)
    with pytest.raises(SessionUnknown):
        manager.submit(asked("r"))


def test_d1_21_registering_again_keeps_the_slots_and_unregistering_frees_them(manager: ClientTaskManager) -> None:
    manager.register_session(NAME, 123, 456)
    for number in range(5):
        manager.submit(asked(f"r-{number}"))
    manager.register_session(NAME, 123, 456)
    with pytest.raises(SessionTaken):
        manager.register_session(NAME, 124, 456)
    with pytest.raises(SessionBusy):
        manager.submit(asked("more"))
    manager.unregister_session(NAME)
    manager.register_session(NAME, 123, 456)
    manager.submit(asked("more"))


def test_d1_22_priority_and_time_limit_reach_the_task(manager: ClientTaskManager) -> None:
    manager.register_session(NAME, 123, 456)
    channel = manager.submit(
        {
            "request_id": "r",
            "session_id": NAME,
            "type": "ai.speech_recognition",
            "user_id": 123,
            "meeting_id": 456,
            "data": {"audio_data": "UklGRg==", "format": "wav"},
            "priority": "high",
            "timeout": 30,
        }
    )
    record = manager.dispatcher.get(channel.task_id)
    assert (record.type, record.priority.value, record.timeout_s) == ("speech_recognition", "high", 30)
    assert (record.user_id, record.meeting_id, record.session_id) == (123, 456, NAME)


def test_d1_23_a_request_sent_twice_is_one_task(manager: ClientTaskManager, dispatcher: TaskDispatcher) -> None:
    manager.register_session(NAME, 123, 456)
    first, again = (manager.accept(asked("r")) for _ in range(2))
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.task_id == again.task_id
    assert dispatcher.get_stats()["total_dispatched"] == 1
    with pytest.raises(TaskConflict):
        manager.accept(asked("r", priority="low"))
    # in another session the same id is another request
    manager.register_session("other", 123, 456)
    assert not manager.accept(asked("r", session_id="other")).duplicate


def test_a_request_whose_submitter_died_after_the_claim_is_submitted_by_its_repeat(
    manager: ClientTaskManager, dispatcher: TaskDispatcher
) -> None:
    manager.register_session(NAME, 123, 456)
    request = asked("r")
    claim = manager.store.claim(
        NAME, "r", task_id="6f1f6b7a-0000-4000-8000-000000000001", digest=request.digest(), slots=5
    )
    assert dispatcher.store.get(claim.task_id) is None
    assert manager.accept(request).task_id == claim.task_id
    assert dispatcher.get_status(claim.task_id) is TaskState.PENDING


def test_what_is_refused_leaves_the_request_id_free(manager: ClientTaskManager) -> None:
    manager.register_session(NAME, 123, 456)
    with pytest.raises(UnknownTaskType):
        manager.submit(asked("r", type="user.register"))
    with pytest.raises(InvalidPayload):
        manager.submit(asked("r", data={"no": "such"}))
    with pytest.raises(Forbidden):
        manager.submit(asked("r", user_id=1))
    assert not manager.accept(asked("r")).duplicate


def test_d1_24_b_13_the_channel_yields_progress_and_one_response(
    manager: ClientTaskManager, dispatcher: TaskDispatcher
) -> None:
    manager.register_session(NAME, 123, 456)
    told: list[ClientTaskResponse] = []
    channel = manager.submit_async(asked("r"), told.append)
    assert manager.get_response_channel("r") is channel
    assert manager.get_response_channel("r", "other") is None
    silent = channel.get(timeout_s=0.01)
    assert (silent.status, (silent.error or {})["code"]) == ("error", "TIMEOUT")
    run(dispatcher, channel.task_id, None)
    eventually(
        lambda: (
            manager.ends._progress.watched and manager.ends._progress._subscriptions[channel.task_id][0].heard.is_set()
        )
    )
    dispatcher.store.progress(channel.task_id, OWNER, Progress(percent=40, step="half"))
    heard = channel.listen(20)
    assert next(heard).percent == 40  # type: ignore[union-attr] # the first is a progress
    run(dispatcher, channel.task_id)
    *progress, response = heard
    assert all(isinstance(one, Progress) for one in progress)
    assert isinstance(response, ClientTaskResponse)
    assert (response.status, response.data, response.request_id) == ("success", {"ok": True}, "r")
    assert eventually(lambda: told) == [response]


def test_d1_32_the_statistics_have_the_seeds_keys_and_true_numbers(
    manager: ClientTaskManager, dispatcher: TaskDispatcher
) -> None:
    manager.register_session(NAME, 123, 456)
    good, bad, _ = (manager.submit(asked(f"r-{number}")) for number in range(3))
    run(dispatcher, good.task_id)
    run(dispatcher, bad.task_id, TaskState.FAILED)
    assert (good.get(20).status, bad.get(20).status) == ("success", "error")
    expected = {"total_requests": 3, "total_success": 1, "total_failed": 1, "active_sessions": 1}
    assert manager.get_stats() == expected


def test_d1_36_an_idle_session_ends_by_itself_and_an_active_one_does_not(
    manager: ClientTaskManager, dispatcher: TaskDispatcher, broker_url: str
) -> None:
    manager.register_session(NAME, 123, 456)
    manager.register_session("quiet", 123, 456)
    task_id = manager.accept(asked("r")).task_id
    assert later(dispatcher, broker_url, 1799).run_once() == 0
    assert later(dispatcher, broker_url, 1801).run_once() == 1
    with pytest.raises(SessionUnknown):
        manager.session("quiet")
    assert manager.session(NAME).id == NAME  # its task waits
    run(dispatcher, task_id)
    assert later(dispatcher, broker_url, 100).run_once() == 0  # the end of a task is a sign of life
    assert [frame.data["request_id"] for frame in manager.store.frames(NAME, 0, limit=10)] == ["r"]
    assert later(dispatcher, broker_url, 1900).run_once() == 1
    left = set(manager.store.client.scan_iter(f"{keys.PREFIX}session*"))
    assert left == {keys.SESSION_COUNTS, keys.session_log(NAME), keys.session_log("quiet")}
    assert 0 < manager.store.client.ttl(keys.session_log(NAME)) <= 86_400


@pytest.mark.parametrize("how", ["completed", "failed", "timeout", "cancelled"])
def test_d1_37_every_end_frees_the_slot_also_when_nobody_looks(
    manager: ClientTaskManager, dispatcher: TaskDispatcher, how: str
) -> None:
    manager.register_session(NAME, 123, 456)
    first, *_ = (manager.accept(asked(f"r-{number}")) for number in range(5))
    with pytest.raises(SessionBusy) as refused:
        manager.accept(asked("more"))
    assert refused.value.details["position"] == 1
    if how == "cancelled":
        dispatcher.cancel(first.task_id)
    else:
        run(dispatcher, first.task_id, TaskState(how))
    assert not manager.accept(asked("more")).duplicate
    with pytest.raises(SessionBusy):
        manager.accept(asked("one too many"))


def test_d1_38_the_activity_of_a_session_can_be_read_after_its_end(
    manager: ClientTaskManager, dispatcher: TaskDispatcher
) -> None:
    manager.register_session(NAME, 123, 456)
    channel = manager.submit(asked("r"))
    run(dispatcher, channel.task_id)
    channel.get(20)
    eventually(lambda: manager.store.open_requests(NAME) == {})
    manager.unregister_session(NAME)
    lines = manager.activity(NAME)
    assert [line["event"] for line in lines] == ["registered", "submitted", "finished", "ended"]
    assert lines[2]["outcome"] == "success"
    assert all(line["at_ms"] > 1_600_000_000_000 for line in lines)


def test_two_processes_write_one_final_frame(
    manager: ClientTaskManager, dispatcher: TaskDispatcher, broker_url: str
) -> None:
    other = ClientTaskManager(dispatcher, settings=load(broker_url=broker_url))
    manager.register_session(NAME, 123, 456)
    task_id = manager.accept(asked("r")).task_id
    run(dispatcher, task_id)
    told = ClientTaskResponse.of("r", dispatcher.get(task_id)).as_dict()
    # both have seen the end before either wrote the frame
    assert [one.store.conclude(NAME, "r", told, duration_ms=1) for one in (manager, other)] == [True, False]
    assert other.ends.settle(NAME) == {}
    frames = manager.store.frames(NAME, 0, limit=10)
    assert [(frame.seq, frame.type) for frame in frames] == [(1, "task.result")]
    assert manager.get_stats()["total_success"] == 1


def test_the_outbox_keeps_the_newest_500_frames_without_holes(manager: ClientTaskManager) -> None:
    manager.register_session(NAME, 123, 456)
    manager.store.connect(NAME, "c")
    for number in range(1, 511):
        assert manager.store.append(NAME, "c", {"n": number}, source="x", place=f"1-{number}")
    assert not manager.store.append(NAME, "c", {"n": 0}, source="x", place="1-510")
    assert not manager.store.append(NAME, "old", {"n": 0}, source="x", place="2-1")
    frames = manager.store.frames(NAME, 0, limit=1000)
    assert [frame.seq for frame in frames] == list(range(11, 511))
    manager.store.trim(NAME, 505)
    assert [frame.seq for frame in manager.store.frames(NAME, 0, limit=1000)] == [506, 507, 508, 509, 510]


def test_a_large_result_is_told_by_its_address(manager: ClientTaskManager, dispatcher: TaskDispatcher) -> None:
    manager.register_session(NAME, 123, 456)
    task_id = manager.accept(asked("r")).task_id
    run(dispatcher, task_id, None)
    dispatcher.store.finish(task_id, OWNER, End(state=TaskState.COMPLETED, result="x" * 300_000, meta=json.dumps({})))
    manager.ends.settle(NAME)
    (frame,) = manager.store.frames(NAME, 0, limit=1)
    assert (frame.data["data"], frame.data["result_url"]) == (None, f"/api/v1/tasks/{task_id}/result")
