"""Every service starts as a plain Celery worker, takes from its own queue alone, and needs none of the others."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

# one quick task of each service
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ai": ("emotion_detection", {"text": "I am glad about that."}),
    "media": ("media_probe", {"source_url": "file:///nothing.mp4"}),
    "meeting": ("process_recording", {"audio_files": ["nothing.wav"]}),
    "signaling": ("signaling", {"action": "send", "content": "你好"}),
    "user": ("user_login", {"username": "li", "user_id": 123}),
    "custom": ("custom_task_type_2", {"echo": 1}),
}


def start(service: str, broker_url: str, storage: Path) -> RunningProcess:
    command = [sys.executable, "-m", "celery", "-A", f"workers.{service}", "worker", "-n", f"{service}@%h", "-c", "1"]
    env = {"MT_BROKER_URL": broker_url, "MT_STORAGE_ROOT": str(storage), "PYTHONPATH": str(ROOT)}
    return RunningProcess(command, env=env)


@pytest.fixture(scope="module")
def dispatcher() -> Iterator[TaskDispatcher]:
    with EmbeddedServer() as server, TaskDispatcher(server.url) as running:
        yield running


@pytest.fixture(scope="module")
def workers(
    dispatcher: TaskDispatcher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunningProcess]]:
    """Run all services side by side, each as a stranger would start it."""
    storage = tmp_path_factory.mktemp("storage")
    running = {service: start(service, dispatcher.app.conf.broker_url, storage) for service in TASKS}
    try:
        eventually(lambda: len(dispatcher.app.control.inspect(timeout=2).ping() or {}) == len(TASKS), within_s=100)
        yield running
    finally:
        for process in running.values():
            process.close()


def served_by(dispatcher: TaskDispatcher, task_id: str) -> str:
    assert dispatcher.wait(task_id, 60).status.is_final
    return dispatcher.get(task_id).worker.partition("@")[0]


def test_d1_13_each_service_consumes_its_own_queue_only(
    dispatcher: TaskDispatcher, workers: dict[str, RunningProcess]
) -> None:
    found = dispatcher.app.control.inspect(timeout=5).active_queues() or {}
    queues = {name.partition("@")[0]: [queue["name"] for queue in consumed] for name, consumed in found.items()}
    assert queues == {service: [f"{service}_tasks"] for service in TASKS}


def test_b_09_every_task_is_run_by_its_own_service(
    dispatcher: TaskDispatcher, workers: dict[str, RunningProcess]
) -> None:
    sent = {
        service: dispatcher.dispatch({"type": name, "payload": payload}).task_id
        for service, (name, payload) in TASKS.items()
        for _ in range(2)
    }
    assert {service: served_by(dispatcher, task_id) for service, task_id in sent.items()} == {s: s for s in TASKS}


def test_d1_13_a_service_that_stops_leaves_the_others_working(
    dispatcher: TaskDispatcher, workers: dict[str, RunningProcess], tmp_path: Path
) -> None:
    name, payload = TASKS["user"]
    workers["user"].send(signal.SIGTERM)
    assert workers["user"].wait(60) == 0
    left = dispatcher.dispatch({"type": name, "payload": payload}).task_id
    for service in TASKS.keys() - {"user"}:
        other, data = TASKS[service]
        assert served_by(dispatcher, dispatcher.dispatch({"type": other, "payload": data}).task_id) == service
    assert dispatcher.get_status(left) is TaskState.PENDING
    workers["user"].close()
    workers["user"] = start("user", dispatcher.app.conf.broker_url, tmp_path)
    assert served_by(dispatcher, left) == "user"
