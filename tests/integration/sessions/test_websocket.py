"""The protocol end to end: real API processes, a real worker, real sockets."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from meetingtasks.events import RedisPubSubQueue
from meetingtasks.sessions import ClientTaskManager
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker

ONE = "custom_task_type_1"


def submit(request_id: str, **data: Any) -> dict[str, Any]:
    return {"request_id": request_id, "type": ONE, "data": data}


@pytest.fixture
def worker(start_process: Callable[..., RunningProcess], broker_url: str) -> RunningProcess:
    return start_worker(start_process, broker_url, "-P", "threads", "-c", "4")


def test_d1_10_a_client_submits_and_gets_progress_and_result_pushed(
    api: Any, open_client: Callable[..., Any], token: str, worker: RunningProcess, tmp_path: Path
) -> None:
    client = open_client(api)
    ready = client.hello(token, meeting_id=9)
    assert ready["user_id"] == "7"
    assert ready["limits"] == {"max_concurrent": 5, "max_frame_bytes": 2**20, "idle_s": 1800}
    go_on = tmp_path / "go on"
    accepted = client.ask("task.submit", submit("r-1", echo="你好", steps=4, until_file=str(go_on)))
    assert accepted["type"] == "task.accepted"
    task_id = accepted["data"]["task_id"]
    progress = client.until("task.progress")["data"]
    assert (progress["request_id"], progress["task_id"], progress["total_steps"]) == ("r-1", task_id, 4)
    assert client.ask("task.get", {"request_id": "r-1"})["data"]["status"] == "running"
    again = client.ask("task.submit", submit("r-1", echo="你好", steps=4, until_file=str(go_on)))
    assert again["data"] == {**accepted["data"], "status": "running", "duplicate": True}
    assert client.ask("task.submit", submit("r-1"))["data"]["code"] == "CONFLICT"
    go_on.touch()
    result = client.until("task.result")
    assert result["seq"] == 1
    told = result["data"]
    assert (told["request_id"], told["task_id"], told["status"]) == ("r-1", task_id, "success")
    assert told["data"]["echo"] == "你好"
    assert told["duration_ms"] > 0
    assert client.ask("task.get", {"task_id": task_id})["data"]["response"]["status"] == "success"
    client.say("task.submit", submit("r-2", refuse=True))
    failed = client.until("task.result")
    assert (failed["seq"], failed["data"]["status"]) == (2, "error")
    assert failed["data"]["error"]["code"] == "refused"


def test_x_10_a_killed_api_process_is_replaced_by_another_and_nothing_is_lost_or_doubled(
    start_api: Callable[..., Any], open_client: Callable[..., Any], token: str, worker: RunningProcess, tmp_path: Path
) -> None:
    first_api, other_api = start_api(), start_api()
    first = open_client(first_api)
    ready = first.hello(token)
    go_on = tmp_path / "go on"
    first.ask("task.submit", submit("seen"))
    while not any(frame["type"] == "task.result" for frame in first.got):
        first.next()
    for number in range(3):
        answer = first.ask("task.submit", submit(f"away-{number}", until_file=str(go_on), echo=number))
        assert answer["type"] == "task.accepted"
    os.killpg(first_api.process.pid, signal.SIGKILL)
    go_on.touch()
    second = open_client(other_api)
    about = {"session_id": ready["session_id"], "resume_token": ready["resume_token"], "last_seq": 1}
    assert second.hello(token, **about)["resumed"] is True
    while sum(frame["type"] == "task.result" for frame in second.got) < 3:
        second.next()
    third = open_client(other_api)
    third.hello(token, **{**about, "last_seq": 3})
    assert second.close_code() == 4409
    assert third.until("task.result")["seq"] == 4
    assert third.ask("ping")["type"] == "pong"
    results = [frame for frame in second.got if frame["type"] == "task.result"]
    assert [frame["seq"] for frame in results] == [2, 3, 4]
    assert {frame["data"]["request_id"] for frame in results} == {"away-0", "away-1", "away-2"}
    assert sum(frame["type"] == "task.result" for frame in third.got) == 1


def test_f34_events_of_the_own_meeting_are_owed_over_a_reconnection(
    api: Any, open_client: Callable[..., Any], token: str, broker_url: str
) -> None:
    bus = RedisPubSubQueue(broker_url)
    first = open_client(api)
    ready = first.hello(token, meeting_id=9)
    wanted = {"channels": ["meeting_events"]}
    assert first.ask("subscribe", wanted)["data"]["channels"] == ["meeting_events"]
    first.ask("ping")  # the subscription stands when the next frame is answered
    _publish(bus, 9, 1)
    _publish(bus, 8, 2)
    event = first.until("event")
    assert (event["seq"], event["data"]["payload"]["user_id"]) == (1, 1)
    first.cut()
    _publish(bus, 9, 3)
    _publish(bus, 8, 4)
    second = open_client(api)
    about = {"session_id": ready["session_id"], "resume_token": ready["resume_token"], "last_seq": 1}
    second.hello(token, **about)
    second.ask("subscribe", wanted)
    _publish(bus, 9, 5)
    while sum(frame["type"] == "event" for frame in second.got) < 2:
        second.next()
    found = [frame for frame in second.got if frame["type"] == "event"]
    assert [(frame["seq"], frame["data"]["payload"]["user_id"]) for frame in found] == [(2, 3), (3, 5)]


def _publish(bus: RedisPubSubQueue, meeting_id: int, user_id: int) -> None:
    payload = {"user_id": user_id, "meeting_id": meeting_id}
    bus.publish("meeting_events", {"type": "user_joined", "payload": payload})


def test_a_lost_outbox_and_an_ended_session_are_told_as_resync(
    api: Any, open_client: Callable[..., Any], token: str, manager: ClientTaskManager
) -> None:
    first = open_client(api)
    ready = first.hello(token)
    about = {"session_id": ready["session_id"], "resume_token": ready["resume_token"]}
    second = open_client(api)
    second.hello(token, **about, last_seq=70)
    assert second.next()["data"]["reason"] == "gap"
    manager.unregister_session(ready["session_id"])
    assert second.close_code() == 1000
    third = open_client(api)
    assert third.hello(token, **about)["resumed"] is False
    assert third.next()["data"]["reason"] == "expired"


def test_others_sessions_tasks_and_fields_are_refused(
    api: Any, open_client: Callable[..., Any], token: str, manager: ClientTaskManager
) -> None:
    client = open_client(api)
    ready = client.hello(token, meeting_id=9)
    foreign = manager.dispatcher.dispatch({"type": ONE, "user_id": 8}).task_id
    assert client.ask("task.get", {"task_id": foreign})["data"]["code"] == "NOT_FOUND"
    assert client.ask("task.cancel", {"task_id": foreign})["data"]["code"] == "NOT_FOUND"
    assert client.ask("subscribe", {"tasks": [foreign]})["data"]["code"] == "NOT_FOUND"
    assert client.ask("task.submit", {**submit("a"), "user_id": 8})["data"]["code"] == "FORBIDDEN"
    assert client.ask("task.submit", {**submit("a"), "meeting_id": 8})["data"]["code"] == "FORBIDDEN"
    assert client.ask("task.submit", {**submit("a"), "type": "user_register"})["data"]["code"] == "INVALID_PAYLOAD"
    assert client.ask("task.submit", {**submit("a"), "user_id": 7, "meeting_id": 9})["type"] == "task.accepted"
    cancelled = client.ask("task.cancel", {"request_id": "a"})
    assert cancelled["data"]["status"] == "cancelled"
    result = next((f for f in client.got if f["type"] == "task.result"), None) or client.until("task.result")
    assert result["data"]["error"]["code"] == "cancelled"
    thief = open_client(api)
    thief.say("hello", {"token": token, "session_id": ready["session_id"], "resume_token": "guessed"})
    assert thief.next()["data"]["code"] == "FORBIDDEN"
    assert thief.close_code() == 4403


def test_d1_37_the_sixth_task_of_a_session_is_refused_with_its_position(
    api: Any, open_client: Callable[..., Any], token: str
) -> None:
    client = open_client(api)
    client.hello(token)
    for number in range(5):
        assert client.ask("task.submit", submit(f"r-{number}"))["type"] == "task.accepted"
    refused = client.ask("task.submit", submit("r-5"))["data"]
    assert (refused["code"], refused["retryable"]) == ("SESSION_BUSY", True)
    assert (refused["limit"], refused["position"]) == (5, 1)
    assert refused["retry_after_s"] >= 1
    client.ask("task.cancel", {"request_id": "r-0"})
    assert client.ask("task.submit", submit("r-5"))["type"] == "task.accepted"


BAD: list[tuple[str | bytes, str, int | None]] = [
    ("not json", "BAD_FRAME", None),
    ("[]", "INVALID_PAYLOAD", None),
    ("{}", "BAD_FRAME", None),
    ('{"type":"ping","type":"ping"}', "BAD_FRAME", None),
    ('{"type":"fly"}', "UNKNOWN_TYPE", None),
    ('{"type":"ping","v":2}', "BAD_FRAME", None),
    ('{"type":"ping","op":1}', "BAD_FRAME", None),
    ('{"type":"ping","id":{}}', "BAD_FRAME", None),
    ('{"type":"ping","data":[]}', "BAD_FRAME", None),
    ('{"type":"ack","data":{"seq":-1}}', "INVALID_PAYLOAD", None),
    ('{"type":"ack","data":{"seq":1.5}}', "INVALID_PAYLOAD", None),
    ('{"type":"ack","data":{"seq":NaN}}', "INVALID_PAYLOAD", None),
    ('{"type":"subscribe","data":{"channels":["system_events"]}}', "INVALID_PAYLOAD", None),
    ('{"type":"subscribe","data":{"channels":["ai_events"]}}', "FORBIDDEN", None),
    ('{"type":"subscribe","data":{"tasks":[' + ",".join(['"x"'] * 10_001) + "]}}", "INVALID_PAYLOAD", None),
    ('{"type":"task.get","data":{}}', "INVALID_PAYLOAD", None),
    ('{"type":"task.submit","data":{"type":"chat.send"}}', "INVALID_PAYLOAD", None),
    ('{"type":"hello","data":{"token":"again"}}', "CONFLICT", None),
    ('{"type":"ping","data":{"x":"' + "x" * 700_000 + '"}}', "PAYLOAD_TOO_LARGE", None),
    ('{"type":"ping","data":{"x":"' + "x" * 1_100_000 + '"}}', "PAYLOAD_TOO_LARGE", 4413),
    (b"\x00\x01", "BAD_FRAME", 1003),
]


def test_row_59_bad_frames_are_answered_and_sessions_go_on(
    api: Any, open_client: Callable[..., Any], token: str, manager: ClientTaskManager
) -> None:
    client, ready = None, {}
    for raw, told, closed in BAD:
        if client is None:
            client = open_client(api)
            ready = client.hello(token, **{k: v for k, v in ready.items() if k in ("session_id", "resume_token")})
        client.socket.send(raw)
        answer = client.next()
        assert (answer["type"], answer["data"]["code"]) == ("error", told), raw[:60]
        if closed is None:
            assert client.ask("ping")["type"] == "pong"
        else:
            assert client.close_code() == closed
            client = None
    assert manager.get_stats()["active_sessions"] == 1


@pytest.mark.parametrize(
    ("first", "told", "code"),
    [
        ('{"type":"ping"}', "UNAUTHORIZED", 4401),
        ('{"type":"hello","data":{}}', "UNAUTHORIZED", 4401),
        ('{"type":"hello","data":{"token":"mt_wrong"}}', "UNAUTHORIZED", 4401),
        ('{"type":"hello","data":{"token":7}}', "INVALID_PAYLOAD", 4400),
        ("no json", "BAD_FRAME", 4400),
    ],
)
def test_who_does_not_say_who_is_there_is_let_go(
    api: Any, open_client: Callable[..., Any], first: str, told: str, code: int
) -> None:
    client = open_client(api)
    client.socket.send(first)
    assert client.next()["data"]["code"] == told
    assert client.close_code() == code


def test_a_foreign_page_is_refused_and_the_own_one_is_not(start_api: Callable[..., Any]) -> None:
    api = start_api(MT_API_ORIGINS='["https://meet.example"]')
    with pytest.raises(InvalidStatus) as refused, connect(api.url, origin=Origin("https://evil.example")):
        pass
    assert refused.value.response.status_code == 403
    for origin in ("https://meet.example", f"http://127.0.0.1:{api.port}"):
        with connect(api.url, origin=Origin(origin)):
            pass


def test_a_flood_is_refused_and_then_let_go(
    start_api: Callable[..., Any], open_client: Callable[..., Any], token: str
) -> None:
    client = open_client(start_api(MT_API_BURST="5", MT_API_RATE_PER_S="0.001"))
    client.hello(token)
    for _ in range(12):
        client.say("ping")
    assert client.close_code() == 4429
    told = [frame["data"].get("code", frame["type"]) for frame in client.got[1:]]
    assert set(told) <= {"pong", "RATE_LIMITED"}
    assert told.count("pong") <= 5


def test_a_revoked_session_of_a_dead_client_leaves_no_slot(
    api: Any, open_client: Callable[..., Any], token: str, manager: ClientTaskManager
) -> None:
    client = open_client(api)
    ready = client.hello(token)
    client.ask("task.submit", submit("r"))
    client.cut()
    name = ready["session_id"]
    eventually(lambda: manager.session(name).connection == "")
    events = [line["event"] for line in manager.activity(name)]
    assert events == ["registered", "connected", "submitted", "disconnected"]


def test_a_server_that_stops_says_when_to_come_again(
    start_api: Callable[..., Any], open_client: Callable[..., Any], token: str
) -> None:
    api = start_api()
    client = open_client(api)
    client.hello(token)
    api.process.send(signal.SIGTERM)
    told = client.until("closing")["data"]
    assert told["reconnect_after_s"] > 0
    assert client.close_code() == 1012
    assert api.process.wait() == 0
