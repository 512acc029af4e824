"""The operator's view of the queues tells the truth, and emptying one leaves no task that waits for ever."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import BusinessError
from meetingtasks.queues import Queues
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from tests.support.processes import ROOT

TYPE = "custom_task_type_1"
QUEUE = "custom_tasks"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def queues(broker_url: str) -> Queues:
    return Queues(load(broker_url=broker_url))


def submit(dispatcher: TaskDispatcher, priority: str = "normal", **more: object) -> str:
    return dispatcher.dispatch({"type": TYPE, "priority": priority, **more}).task_id


def test_d1_12_counts_per_priority_match_what_was_put_in(dispatcher: TaskDispatcher, queues: Queues) -> None:
    for priority, count in (("critical", 1), ("high", 2), ("normal", 3), ("low", 4)):
        for _ in range(count):
            submit(dispatcher, priority)
    submit(dispatcher, eta=TOMORROW)
    row = queues.show(QUEUE)
    counted = {name: row[f"{name}_pending"] for name in ("critical", "high", "normal", "low")}
    assert counted == {"critical": 1, "high": 2, "normal": 3, "low": 4}
    assert (row["delayed_count"], row["processing_count"], row["dead_letter_count"]) == (1, 0, 0)
    assert row["queue_length"] == 11
    assert {row["queue"] for row in queues.all()} >= {QUEUE, "ai_tasks", "media_tasks", "notification"}


def test_peek_shows_the_order_of_starts_and_explain_the_place(dispatcher: TaskDispatcher, queues: Queues) -> None:
    low, critical, normal = (submit(dispatcher, priority) for priority in ("low", "critical", "normal"))
    assert [row["task_id"] for row in queues.peek(QUEUE)] == [critical, normal, low]
    found = queues.explain(low)
    assert (found["place"], found["position"]) == ("ready", 2)
    assert "2 messages are ahead" in found["why"]
    later = submit(dispatcher, eta=TOMORROW)
    assert queues.explain(later)["place"] == "delayed"


def test_an_unknown_queue_is_an_error_that_names_the_known_ones(queues: Queues) -> None:
    with pytest.raises(BusinessError, match="ai_tasks"):
        queues.show("ai_task")


def test_d5_03_purging_cancels_the_tasks(dispatcher: TaskDispatcher, queues: Queues) -> None:
    waiting = [submit(dispatcher) for _ in range(5)]
    later = submit(dispatcher, eta=TOMORROW)
    assert queues.purge(QUEUE) == 6
    assert queues.show(QUEUE)["queue_length"] == 0
    for task_id in (*waiting, later):
        assert dispatcher.get_status(task_id) is TaskState.CANCELLED
    assert dispatcher.store.live_count() == 0


def test_celerys_own_purge_cancels_the_tasks_too(broker_url: str, dispatcher: TaskDispatcher) -> None:
    task_id = submit(dispatcher)
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "purge", "-f", "-Q", QUEUE]
    env = {"MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, cwd=ROOT, env=env, capture_output=True, timeout=60)
    assert dispatcher.get_status(task_id) is TaskState.CANCELLED


def test_the_command_line_says_the_same(broker_url: str, dispatcher: TaskDispatcher) -> None:
    task_id = submit(dispatcher, "high", meeting_id=456)
    assert run(broker_url, "queues", "show", QUEUE)["high_pending"] == 1
    (row,) = run(broker_url, "queues", "peek", QUEUE)
    assert (row["task_id"], row["meeting_key"], row["priority"]) == (task_id, "456", "high")
    assert run(broker_url, "queues", "explain", task_id)["place"] == "ready"
    assert run(broker_url, "queues", "purge", QUEUE, "--yes") == {"queue": QUEUE, "purged": 1}


def test_what_is_malformed_is_listed_shown_and_dropped(
    broker_url: str, clean_server: EmbeddedServer, dispatcher: TaskDispatcher, queues: Queues
) -> None:
    submit(dispatcher)
    client = redis.Redis.from_url(clean_server.client_url)
    entry_id = queues.quarantine.add(client, b"not json \xff", queue=QUEUE, reason="not JSON")
    (row,) = run(broker_url, "quarantine", "list")
    assert (row["id"], row["reason"]) == (entry_id, "not JSON")
    assert run(broker_url, "quarantine", "show", entry_id)["raw"].startswith("not json")
    assert run(broker_url, "quarantine", "purge", "--yes") == {"purged": 1}


def run(broker_url: str, *arguments: str) -> object:
    command = [sys.executable, "-m", "meetingtasks.cli", *arguments, "--json", "--broker-url", broker_url]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=60, text=True)
    return json.loads(done.stdout)
