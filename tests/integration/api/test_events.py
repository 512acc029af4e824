"""Progress and ends as server-sent events, over a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from meetingtasks.access import ApiKeys, Scope
from meetingtasks.api import events
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store.tasks import End, Run
from tests.integration.api.conftest import bearer
from tests.support.eventually import eventually

TASKS = "/api/v1/tasks"
TASK = {"type": "content_generation", "payload": {"topic": "AI"}}


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


def told(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield a stream's events as they come; a comment is an event of that name."""
    found: dict[str, Any] = {}
    for line in answer.iter_lines():
        if not line and found:
            yield found
            found = {}
        elif line.startswith(":"):
            found["event"] = "comment"
        elif line:
            name, _, value = line.partition(": ")
            found[name] = json.loads(value) if name == "data" else value


def started(dispatcher: TaskDispatcher) -> str:
    task_id = dispatcher.dispatch(TASK).task_id
    dispatcher.store.start(task_id, Run(token="t", worker="w@h", pid=1), retries=0, otherwise={})  # noqa: S106 - a fencing token
    return task_id


def test_d4_37_progress_comes_as_it_is_made_and_at_last_the_end(url: str, dispatcher: TaskDispatcher) -> None:
    task_id = started(dispatcher)
    with httpx.stream("GET", f"{url}{TASKS}/{task_id}/events", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = told(answer)
        assert next(stream) == {"retry": "2000"}
        assert next(stream)["data"]["status"] == "running"
        dispatcher.store.progress(task_id, "t", Progress(percent=40, message="half-way"))
        reached = next(one for one in stream if one["event"] == "progress" and one["data"]["progress"]["percent"] == 40)
        assert reached["data"]["progress"]["message"] == "half-way"
        dispatcher.store.finish(task_id, "t", End(state=TaskState.COMPLETED, result={"content": "done"}))
        *_, last = stream
    assert (last["event"], last["data"]["status"], last["data"]["result"]) == ("end", "completed", {"content": "done"})
    again = f"{url}{TASKS}/{task_id}/events"
    assert httpx.get(again, headers={"Last-Event-ID": last["id"]}).status_code == 204
    # who had lost the connection before the end gets it
    assert f"id: {last['id']}" in httpx.get(again, headers={"Last-Event-ID": reached["id"]}).text


def test_an_end_whose_word_was_lost_comes_with_a_heartbeat(
    url: str, dispatcher: TaskDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.1)
    task_id = started(dispatcher)
    with httpx.stream("GET", f"{url}{TASKS}/{task_id}/events", timeout=60) as answer:
        stream = told(answer)
        assert next(one for one in stream if one.get("event") == "comment")
        dispatcher.store.client.hset(f"mt:task:{task_id}", "state", "failed")  # nothing is published
        *_, last = stream
    assert (last["event"], last["data"]["status"]) == ("end", "failed")


def test_a_run_is_told_with_its_stages(url: str, dispatcher: TaskDispatcher) -> None:
    run_id = httpx.post(f"{url}/api/v1/runs", json={"audio_files": ["a.wav"]}).json()["run_id"]
    with httpx.stream("GET", f"{url}/api/v1/runs/{run_id}/events", timeout=60) as answer:
        stream = told(answer)
        assert len(next(one for one in stream if "data" in one)["data"]["stages"]) == 7
        dispatcher.cancel(run_id)
        *_, last = stream
    assert (last["event"], last["data"]["status"]) == ("end", "cancelled")


def test_anothers_task_is_not_told_of(anonymous: TestClient, keys: ApiKeys) -> None:
    ann, bob = (bearer(keys, Scope.TASKS_READ, Scope.TASKS_SUBMIT, user_id=name) for name in ("ann", "bob"))
    task_id = anonymous.post(TASKS, json=TASK, headers=ann).json()["task_id"]
    assert anonymous.get(f"{TASKS}/{task_id}/events", headers=bob).status_code == 404


def test_readers_that_went_away_leave_no_subscription(url: str, dispatcher: TaskDispatcher) -> None:
    task_id = started(dispatcher)
    channel = f"mt:watch:{task_id}"
    client = dispatcher.store.client
    with httpx.stream("GET", f"{url}{TASKS}/{task_id}/events", timeout=60) as answer:
        stream = told(answer)
        assert next(stream)
        eventually(lambda: client.pubsub_numsub(channel)[0][1] == 1)
    eventually(lambda: client.pubsub_numsub(channel)[0][1] == 0, 30)
