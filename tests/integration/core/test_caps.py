"""Caps on task types as operators see them: in force from the catalogue, changed while workers run, explained."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.broker import LeaseQueue
from meetingtasks.caps import Cap, Caps, cap_of
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.queues import Queues
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.task_types import CATALOGUE
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

QUEUE = "custom_tasks"
CAPPED, FREE = "custom_task_type_1", "custom_task_type_2"
AI_CAPS = {
    "speech_recognition": 10,
    "emotion_detection": 20,
    "synthesis_detection": 15,
    "audio_denoising": 30,
    "video_enhancement": 5,
}


@pytest.fixture
def caps(broker_url: str) -> Caps:
    return Caps(load(broker_url=broker_url))


@pytest.fixture
def queues(broker_url: str) -> Queues:
    return Queues(load(broker_url=broker_url))


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def start_sample_worker(broker_url: str, start_process: Callable[..., RunningProcess]) -> Callable[[], RunningProcess]:
    """Return a function that starts a worker with four slots; its leases end soon when it dies."""

    def start() -> RunningProcess:
        name = f"w{os.urandom(3).hex()}@here"
        command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-l", "INFO"]
        env = {"MT_BROKER_URL": broker_url, "MT_LEASE_S": "2", "MT_RENEW_S": "0.5", "PYTHONPATH": str(ROOT)}
        worker = start_process([*command, "-P", "threads", "-c", "4", "-n", name], env=env)
        worker.wait_for_line("ready.", 60)
        return worker

    return start


def recognise(dispatcher: TaskDispatcher, number: int) -> list[str]:
    request = {"type": "speech_recognition", "payload": {"audio_url": "file:///call.wav"}}
    return [dispatcher.dispatch(request).task_id for _ in range(number)]


@pytest.mark.parametrize(("name", "most"), AI_CAPS.items())
def test_x_08_messages_bring_the_cap_of_the_catalogue(name: str, most: int) -> None:
    assert cap_of({"task": CATALOGUE.get(name).celery_name}) == (name, most)


def test_x_08_the_caps_of_the_catalogue_are_in_force(
    broker_url: str, dispatcher: TaskDispatcher, queues: Queues, caps: Caps
) -> None:
    task_ids = recognise(dispatcher, 12)
    queue = LeaseQueue(connect(broker_url, as_bytes=True), "ai_tasks")
    assert len(queue.fetch(20, consumer="all workers together")) == 10
    found = queues.explain(task_ids[11])
    assert (found["place"], found["position"]) == ("parked", 1)
    assert found["why"] == "its type, speech_recognition, is at its cap of 10; 1 of its type are ahead of it"
    row = queues.show("ai_tasks")
    assert (row["capped_count"], row["queue_length"], row["processing_count"]) == (2, 2, 10)
    used = {one.name: (one.cap.most, one.is_set, one.in_work, one.parked) for one in caps.of("ai_tasks")}
    assert used == {name: (most, False, 0, 0) for name, most in AI_CAPS.items()} | {
        "speech_recognition": (10, False, 10, 2)
    }


def test_what_is_parked_can_be_cancelled_and_purged(
    broker_url: str, dispatcher: TaskDispatcher, queues: Queues, caps: Caps
) -> None:
    caps.set("ai_tasks", "asr", Cap(most=0))
    task_ids = recognise(dispatcher, 3)
    assert LeaseQueue(connect(broker_url, as_bytes=True), "ai_tasks").fetch(9, consumer="c") == []
    dispatcher.cancel(task_ids[0])
    assert queues.show("ai_tasks")["capped_count"] == 2
    assert queues.purge("ai_tasks") == 2
    assert [dispatcher.get_status(task_id) for task_id in task_ids] == [TaskState.CANCELLED] * 3


def test_a_capped_type_holds_no_slot_and_a_change_holds_at_once(
    dispatcher: TaskDispatcher, caps: Caps, tmp_path: Path, start_sample_worker: Callable[[], RunningProcess]
) -> None:
    caps.set(QUEUE, CAPPED, Cap(most=2))
    workers = [start_sample_worker() for _ in range(2)]
    gate, trace = tmp_path / "gate", tmp_path / "trace"
    payload = {"until_file": str(gate), "trace_file": str(trace)}
    held = [dispatcher.dispatch({"type": CAPPED, "payload": payload}).task_id for _ in range(8)]
    free = [dispatcher.dispatch({"type": FREE, "payload": {}, "priority": "low"}).task_id for _ in range(8)]
    eventually(lambda: all(dispatcher.get_status(one) is TaskState.COMPLETED for one in free), 30)
    eventually(lambda: len(trace.read_text().splitlines()) == 2)
    used = caps.get(QUEUE, CAPPED)
    assert (used.in_work, used.parked) == (2, 6)

    caps.set(QUEUE, CAPPED, Cap(most=5))
    eventually(lambda: len(trace.read_text().splitlines()) == 5, 30)
    assert caps.get(QUEUE, CAPPED).in_work == 5

    workers[0].send(signal.SIGKILL)
    gate.touch()
    eventually(lambda: all(dispatcher.get_status(one) is TaskState.COMPLETED for one in held), 60)
    eventually(lambda: caps.get(QUEUE, CAPPED).in_work == 0)


def test_the_command_line_sets_shows_and_resets_caps(broker_url: str, caps: Caps) -> None:
    (row,) = run(broker_url, "ai_tasks", "--type", "asr", "--most", "4", "--rate", "2.5")
    assert row == {
        "queue": "ai_tasks",
        "type": "speech_recognition",
        "most": 4,
        "per_s": 2.5,
        "burst": 2,
        "is_set": True,
        "in_work": 0,
        "parked": 0,
    }
    assert caps.get("ai_tasks", "speech_recognition").cap == Cap(most=4, per_s=2.5, burst=2)
    (row,) = run(broker_url, "ai_tasks", "--most", "7")
    assert (row["type"], row["most"]) == (None, 7)
    (row,) = run(broker_url, "ai_tasks", "--type", "asr", "--reset")
    assert (row["most"], row["is_set"]) == (10, False)
    assert {row["type"] for row in run(broker_url, "ai_tasks")} == {None, *AI_CAPS}


@pytest.mark.parametrize("figures", [{"most": -1}, {"per_s": 0}, {"per_s": float("inf")}, {"burst": 3}])
def test_figures_that_make_no_sense_are_refused(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|belongs"):
        Cap(**figures)  # type: ignore[arg-type] # wrong on purpose


def run(broker_url: str, *arguments: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "meetingtasks.cli", "queues", "limit", *arguments]
    command += ["--json", "--broker-url", broker_url]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=60, text=True)
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows
