"""Tasks over HTTP."""

import pytest
from fastapi.testclient import TestClient

from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store.tasks import End, Run

TASKS = "/api/v1/tasks"


def test_d4_33_the_documented_body_is_accepted_and_a_repeat_gives_the_same_task(client: TestClient) -> None:
    body = {
        "task_type": "content_generation",
        "queue_name": "processing",
        "priority": 10,
        "payload": {"topic": "AI技术发展趋势"},
        "max_retries": 3,
        "timeout": 300,
    }
    headers = {"Idempotency-Key": "one"}
    first, again = (client.post(TASKS, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "duplicate": True}
    other = client.post(TASKS, json={**body, "priority": 5}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    seen = client.get(first.headers["Location"]).json()
    assert (seen["task_type"], seen["queue_name"], seen["priority"]) == ("content_generation", "processing", "high")
    assert (seen["max_retries"], seen["timeout"], seen["payload"]) == (3, 300, {"topic": "AI技术发展趋势"})


def test_d4_35_a_task_is_cancelled_and_a_repeat_is_harmless(client: TestClient) -> None:
    task_id = client.post(TASKS, json={"type": "content_generation", "payload": {"topic": "x"}}).json()["task_id"]
    for _ in range(2):
        gone = client.delete(f"{TASKS}/{task_id}")
        assert (gone.status_code, gone.json()) == (200, {"task_id": task_id, "status": "cancelled"})
    assert client.get(f"{TASKS}/{task_id}").json()["status"] == "cancelled"


def test_the_result_of_a_task_that_has_not_ended_is_a_conflict(client: TestClient) -> None:
    task_id = client.post(TASKS, json={"type": "content_generation", "payload": {"topic": "x"}}).json()["task_id"]
    answer = client.get(f"{TASKS}/{task_id}/result")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "result_not_ready")


@pytest.mark.parametrize(
    ("raw", "status", "told"),
    [
        (b"", 422, "body must be a JSON object"),
        (b"null", 422, "body must be a JSON object"),
        (b"[]", 422, "body must be a JSON object"),
        (b"not json", 400, "line 1, column 1"),
        (b'{"type":"x",}', 400, "line 1"),
        (b"{}{}", 400, "Extra data"),
        (b'{"timeout": NaN}', 422, "must be a finite number"),
        (b'{"timeout": 1e999}', 422, "must be a finite number"),
        (b'{"type":"\\ud800"}', 422, "invalid unicode in type"),
        (b'{"type":"a\\u0000"}', 422, "control characters not allowed"),
        (b'{"payload":' + b"[" * 900 + b"]" * 900 + b"}", 422, "nested deeper than 32"),
        (b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "nested deeper than 32"),
        (b'{"priority":1' + b"0" * 5000 + b"}", 422, "number too large"),
        (b'{"type":"a","type":"b"}', 400, "duplicate key 'type'"),
        (b'{"is_admin":true}', 422, "is_admin"),
        (b'{"type":"transcod","payload":{}}', 422, "did you mean transcode"),
        (b'{"type":"transcode","priority":true}', 422, "critical, high, normal, low"),
        (b'{"type":"transcode","priority":-1}', 422, "critical, high, normal, low"),
        (b'{"type":"transcode","priority":"5"}', 422, "critical, high, normal, low"),
        (b"\xff", 400, "not UTF-8"),
        (b'{"payload":"' + b"x" * 600_000 + b'"}', 413, "above"),
    ],
)
def test_a_bad_body_is_refused_with_its_place(client: TestClient, raw: bytes, status: int, told: str) -> None:
    answer = client.post(TASKS, content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert client.app.state.fleet.dispatcher.get_stats()["total_dispatched"] == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-16", ""])
def test_another_content_type_is_refused(client: TestClient, kind: str) -> None:
    assert client.post(TASKS, content=b"{}", headers={"Content-Type": kind}).status_code == 415


def test_d4_38_a_result_is_had_once_its_task_has_completed(client: TestClient) -> None:
    task_id = client.post(TASKS, json={"type": "content_generation", "payload": {"topic": "x"}}).json()["task_id"]
    path = f"{TASKS}/{task_id}/result"
    store = client.app.state.fleet.dispatcher.store  # type: ignore[attr-defined]
    assert client.get(path).status_code == 409
    store.start(task_id, Run(token="t", worker="w@h", pid=1), retries=0, otherwise={})  # noqa: S106 - a fencing token
    store.finish(task_id, "t", End(state=TaskState.COMPLETED, result={"content": "done"}))
    expected = {"task_id": task_id, "status": "completed", "result": {"content": "done"}, "partial": False}
    assert client.get(path).json() == expected
    late = client.delete(f"{TASKS}/{task_id}")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "task_conflict")
    assert client.get(f"{TASKS}/nobody/result").status_code == 404


def test_d4_35_a_running_task_is_told_to_stop_and_an_ended_one_is_a_conflict(client: TestClient) -> None:
    task_id = client.post(TASKS, json={"type": "content_generation", "payload": {"topic": "x"}}).json()["task_id"]
    store = client.app.state.fleet.dispatcher.store  # type: ignore[attr-defined]
    store.start(task_id, Run(token="t", worker="w@h", pid=1), retries=0, otherwise={})  # noqa: S106 - a fencing token
    assert client.delete(f"{TASKS}/{task_id}").json()["status"] == "running"
    assert store.progress(task_id, "t", Progress(percent=1)) == "cancel"
