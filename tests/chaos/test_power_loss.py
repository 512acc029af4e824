"""The server's machine loses power, or its append-only file its tail: it starts again, and no task is there by half."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import EmbeddedServerError
from meetingtasks.settings import load
from tests.support.eventually import eventually
from tests.support.places import half_states
from tests.support.power.loss import append_only_file, lose_power, start_watched, synced_bytes
from tests.support.processes import RunningProcess

pytestmark = pytest.mark.chaos

StartProcess = Callable[..., RunningProcess]
StartPython = Callable[..., RunningProcess]
QUEUE = "custom_tasks"
#: submits one task after the other and tells the id of each that was answered
SUBMITTER = """
import sys
from meetingtasks.dispatcher import TaskDispatcher
with TaskDispatcher() as dispatcher:
    while True:
        request = {"type": "custom_task_type_1", "payload": {"trace_file": sys.argv[1]}}
        print("answered", dispatcher.dispatch(request).task_id, flush=True)
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Name the file in which each run of a task is a line."""
    return tmp_path / "trace"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "server") as running:
        yield running


def submit(server: EmbeddedServer, trace: Path, number: int) -> list[str]:
    """Submit so many tasks, one after the other, and return their ids."""
    request = {"type": "custom_task_type_1", "payload": {"trace_file": str(trace)}}
    with TaskDispatcher(settings=load(broker_url=server.url)) as dispatcher:
        return [dispatcher.dispatch(request).task_id for _ in range(number)]


def live(server: EmbeddedServer) -> list[str]:
    """Return the ids of the tasks that are there, after seeing that none is there by half."""
    with redis.Redis.from_url(server.client_url) as client:
        assert half_states(client, QUEUE) == []
    with TaskDispatcher(settings=load(broker_url=server.url)) as dispatcher:
        return dispatcher.store.live_ids(100_000)


def run_all(server: EmbeddedServer, trace: Path, start_process: StartProcess) -> Counter[str]:
    """Let a worker run what waits and return how often each task ran."""
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-P", "threads"]
    options = ["-c", "4", "-l", "INFO", "--without-gossip", "--without-mingle"]
    start_process([*command, *options], env={"MT_BROKER_URL": server.url}).wait_for_line("ready.", 60)
    eventually(lambda: not live(server), within_s=60, every_s=0.05)
    return Counter(line.split()[0] for line in trace.read_text().splitlines())


def cut(server: EmbeddedServer, lost_bytes: int) -> None:
    """Kill the server and take so much off the end of its file."""
    server.kill()
    file = append_only_file(server)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - lost_bytes)


def test_f13_a_cut_tail_costs_the_last_task_and_the_others_run_once(
    own_server: EmbeddedServer, trace: Path, start_process: StartProcess
) -> None:
    submitted = submit(own_server, trace, 4)
    for lost_bytes in (1, 20, 90, 200):
        cut(own_server, lost_bytes)
        own_server.restart()
        submitted.pop()
        assert sorted(live(own_server)) == sorted(submitted)
        submitted += submit(own_server, trace, 1)
        cut(own_server, 0)
        own_server.restart()  # which shows whether the newer write has completed what was cut
        assert sorted(live(own_server)) == sorted(submitted)
    assert run_all(own_server, trace, start_process) == Counter(submitted)


def test_f13_wherever_the_file_is_cut_the_tasks_before_are_whole(own_server: EmbeddedServer, trace: Path) -> None:
    submitted = submit(own_server, trace, 4)
    own_server.kill()
    file = append_only_file(own_server)
    whole = file.read_bytes()
    left_before = len(submitted)
    for left_bytes in range(len(whole), 0, -len(whole) // 10):
        file.write_bytes(whole[:left_bytes])
        own_server.restart()
        left = live(own_server)
        assert sorted(left) == sorted(submitted[: len(left)])
        assert len(left) <= left_before
        left_before = len(left)
        own_server.kill()
    assert left_before == 0


def test_f13_a_file_that_ends_in_garbage_is_named_and_not_guessed_at(own_server: EmbeddedServer, trace: Path) -> None:
    submitted = submit(own_server, trace, 2)
    own_server.kill()
    file = append_only_file(own_server)
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(100))
    with pytest.raises(EmbeddedServerError, match="Bad file format reading the append only file"):
        own_server.restart()
    file.write_bytes(whole)
    own_server.restart()
    assert sorted(live(own_server)) == sorted(submitted)


def test_f12_power_is_lost_under_load_and_what_was_answered_is_there_when_each_write_is_synced(
    tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch, start_python: StartPython, start_process: StartProcess
) -> None:
    with start_watched(tmp_path, monkeypatch, appendfsync="always") as server:
        submitter = start_python(SUBMITTER, str(trace), env={"MT_BROKER_URL": server.url})
        eventually(lambda: submitter.output.count("answered") > 20, within_s=60)
        lose_power(server)
        submitter.send(signal.SIGKILL)
        submitter.wait()
        told = [line.split() for line in submitter.output.splitlines()]
        answered = [words[1] for words in told if words[:1] == ["answered"] and len(words) == 2]
        server.restart()
        left = live(server)
        assert set(answered) <= set(left)
        assert len(left) <= len(answered) + 1  # the one whose answer was on its way
        assert run_all(server, trace, start_process) == Counter(left)


def test_f12_with_a_sync_each_second_what_came_after_the_last_one_is_lost_and_nothing_by_half(
    tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_watched(tmp_path, monkeypatch, appendfsync="everysec") as server:
        synced = submit(server, trace, 5)
        with redis.Redis.from_url(server.client_url) as client:
            eventually(lambda: _all_is_synced(server, client), within_s=60)
            client.config_set("appendfsync", "no")  # the next second does not come any more
        submit(server, trace, 5)
        lose_power(server)
        server.restart()
        assert sorted(live(server)) == sorted(synced)


def _all_is_synced(server: EmbeddedServer, client: redis.Redis) -> bool:
    waiting = client.info("persistence")["aof_buffer_length"]
    return waiting == 0 and synced_bytes(server) == append_only_file(server).stat().st_size
