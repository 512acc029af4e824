"""Progress, counters and the stream of events."""

import json
from typing import Any

import pytest

from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.tasks import TaskStore
from tests.support.eventually import eventually


def test_d4_11_progress_is_readable_at_once_with_all_its_parts(task: Any) -> None:
    task.create()
    task.started()
    told = Progress(percent=40, step="内容生成", completed_steps=2, total_steps=5, message="正在生成第3段内容...")
    assert task.store.progress("t1", "owner", told) == "ok"
    read = task.record().progress
    assert read.updated_ms is not None
    assert read == Progress(**{**told.__dict__, "updated_ms": read.updated_ms})


def test_the_percent_never_falls_within_an_attempt(task: Any) -> None:
    task.create()
    task.started()
    seen = []
    for percent in (10, 33.333333, 20, 66.66, 0, 99.996, 100):
        task.store.progress("t1", "owner", Progress(percent=percent))
        seen.append(task.record().progress.percent)
    assert seen == [10, 33.33, 33.33, 66.66, 66.66, 100, 100]


@pytest.mark.parametrize("token", ["stranger", ""])
def test_only_the_owner_reports_progress(task: Any, token: str) -> None:
    task.create()
    assert task.store.progress("t1", token, Progress(percent=10)) == "lost"
    task.started()
    assert task.store.progress("t1", token, Progress(percent=10)) == "lost"
    task.finish(TaskState.COMPLETED)
    assert task.store.progress("t1", "owner", Progress(percent=10)) == "lost"
    assert task.store.progress("unknown", token, Progress(percent=10)) == "lost"
    assert task.store.get("unknown") is None


def test_watchers_hear_of_progress_as_it_happens(task: Any) -> None:
    task.create()
    task.started()
    pubsub = task.store.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(keys.watch("t1"))
    eventually(lambda: task.store.client.pubsub_numsub(keys.watch("t1"))[0][1] == 1)
    task.store.progress("t1", "owner", Progress(percent=40, message='第"二"步'))
    heard = json.loads(eventually(lambda: pubsub.get_message(timeout=0.05))["data"])
    assert (heard["event"], heard["percent"], heard["message"]) == ("progress", "40", '第"二"步')
    pubsub.close()


def test_every_change_of_state_is_one_entry_of_the_stream(task: Any) -> None:
    task.create(meeting_id=7)
    task.started()
    task.retry(1)
    task.started("next", retries=1)
    task.finish(TaskState.COMPLETED, "next")
    events = task.events()
    assert [event["event"] for event in events] == ["created", "started", "retrying", "started", "completed"]
    assert {(event["task"], event["type"], event["queue"], event["meeting_id"]) for event in events} == {
        ("t1", "transcode", "media_tasks", "7")
    }
    assert [event["attempt"] for event in events] == ["0", "1", "1", "2", "2"]
    assert events[2]["error"] == "connection reset"
    times = [int(event["at_ms"]) for event in events]
    assert times == sorted(times)


def test_the_stream_is_kept_short(broker_url: str, store: TaskStore) -> None:
    short = TaskStore(store.client, stream_length=10)
    for n in range(500):
        short.create(f"t{n}", {"type": "x", "name": "x", "service": "", "queue": "q", "state": "pending"})
    assert store.client.xlen(keys.STREAM) < 250  # trimming is approximate: by whole nodes


def test_i14_the_counters_of_one_life_add_up(task: Any) -> None:
    task.create()
    task.started()
    task.retry(1)
    task.started("next", retries=1)
    task.started("third", retries=1)
    task.finish(TaskState.FAILED, "third", dead=True)
    expected = {"dispatched": 1, "started": 3, "retried": 1, "lost": 1, "failed": 1, "dead": 1}
    assert task.store.counts() == {**expected, **{f"media_tasks:{event}": n for event, n in expected.items()}}


def test_records_are_read_in_the_order_that_was_asked(store: TaskStore) -> None:
    for n in range(3):
        store.create(f"t{n}", {"type": "x", "name": "x", "service": "", "queue": "q", "state": "pending"})
    found = store.get_many(["t2", "unknown", "t0"])
    assert [record and record.id for record in found] == ["t2", None, "t0"]
    assert store.get_many([]) == []
    assert set(store.live_ids(2)) < {"t0", "t1", "t2"}
