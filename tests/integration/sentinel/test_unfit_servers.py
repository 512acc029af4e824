"""A server that would forget tasks is refused; one that is full says so, and goes on when it has room."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded.address import free_port
from meetingtasks.embedded.binary import find
from meetingtasks.errors import BrokerUnavailable, SettingsError
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

REQUEST = {"type": "custom_task_type_1", "payload": {"echo": "x" * 10_000}}


@pytest.fixture
def evicting(broker_url: str, redis_url: str) -> Iterator[str]:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield broker_url
        client.config_set("maxmemory-policy", "noeviction")


def test_f22_a_dispatcher_refuses_a_server_that_evicts(evicting: str) -> None:
    with pytest.raises(SettingsError, match="maxmemory-policy is allkeys-lru: it would drop accepted tasks"):
        TaskDispatcher(evicting).start()


@pytest.mark.parametrize(
    "program",
    ["-m meetingtasks.cli worker tests.support.sample_service", "-m celery -A tests.support.sample_service worker"],
)
def test_f22_a_worker_refuses_a_server_that_evicts(
    evicting: str, start_process: Callable[..., RunningProcess], program: str
) -> None:
    worker = start_process([sys.executable, *program.split()], env={"MT_BROKER_URL": evicting, "PYTHONPATH": str(ROOT)})
    assert worker.wait(30) == 2, worker.output
    assert "maxmemory-policy is allkeys-lru" in worker.output


def test_f21_a_full_server_accepts_nothing_and_goes_on_when_it_has_room(
    broker_url: str, redis_url: str, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> None:
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-l", "INFO", "-c", "2"]
    with redis.Redis.from_url(redis_url) as client, TaskDispatcher(broker_url) as dispatcher:
        worker = start_process(command, env={"MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT)})
        worker.wait_for_line("ready.")
        payload = {"until_file": str(tmp_path / "go")}
        accepted = [dispatcher.dispatch({**REQUEST, "payload": payload}).task_id for _ in range(6)]
        eventually(lambda: dispatcher.store.counts().get("started") == 2, 20)
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(BrokerUnavailable, match="maxmemory"):
                dispatcher.dispatch(REQUEST)
            (tmp_path / "go").touch()
            for task_id in accepted:
                assert dispatcher.wait(task_id, 30).status is TaskState.COMPLETED, worker.output
        finally:
            client.config_set("maxmemory", "0")
        assert dispatcher.dispatch_and_wait(REQUEST, 30).status is TaskState.COMPLETED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here (needs root): {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_f23_a_full_disk_is_named_and_nothing_accepted_is_lost(
    small_disk: Path, start_process: Callable[..., RunningProcess]
) -> None:
    port = free_port()
    listen = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(small_disk)]
    keep = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--auto-aof-rewrite-percentage", "0"]
    start_process([str(find()), *listen, *keep])
    client = redis.Redis(port=port)
    eventually(lambda: _answers(client), 20)
    accepted: list[str] = []
    with TaskDispatcher(f"redis://127.0.0.1:{port}/0") as dispatcher:

        def fill() -> None:
            for _ in range(2000):
                accepted.append(dispatcher.dispatch(REQUEST).task_id)  # noqa: PERF401 - until one is refused

        with pytest.raises(BrokerUnavailable, match="disk full on the broker"):
            fill()
        assert len(accepted) > 20
        assert set(accepted) <= set(dispatcher.store.live_ids(5000))
    client.close()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
