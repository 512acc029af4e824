"""The whole fleet by one command: it comes up, is found, survives what happens to it, and leaves nothing behind."""

import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from meetingtasks import settings
from meetingtasks.cli.main import run
from meetingtasks.cli.services import NAMES
from meetingtasks.embedded.address import free_port
from tests.support.eventually import eventually
from tests.support.leftovers import marked, nobody_left
from tests.support.processes import ROOT, RunningProcess, is_running

READY_WITHIN_S = 90
STOPPED_WITHIN_S = 40

pytestmark = pytest.mark.timeout(3 * READY_WITHIN_S)

Mt = Callable[..., tuple[int, str, str]]
Alive = Callable[[], list[int]]


@pytest.fixture
def mt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mt:
    """Run a command "in another terminal" of the same directory, without any settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MT_BROKER_URL", raising=False)
    settings.current.cache_clear()

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def fleet(
    tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> Iterator[tuple[Callable[..., RunningProcess], Alive]]:
    """Give a function that runs `meetingtasks up`, and one that finds everything that it started."""
    with marked(tmp_path) as (mark, alive):

        def start(*options: str) -> RunningProcess:
            command = [sys.executable, "-m", "meetingtasks.cli", "up", *options]
            return start_process(command, cwd=tmp_path, env={**mark, "PYTHONPATH": str(ROOT)})

        yield start, alive
        for pid in alive():  # a failed test must not leave anything either
            os.kill(pid, signal.SIGKILL)


def test_every_service_comes_up_and_ctrl_c_ends_all_of_them(
    fleet: tuple[Callable[..., RunningProcess], Alive], mt: Mt, tmp_path: Path
) -> None:
    start, alive = fleet
    up = start()
    ready = up.wait_for_line("ready: ", READY_WITHIN_S)
    assert ready == f"ready: {', '.join(NAMES)}\n"
    eventually(lambda: "Ctrl-C stops everything" in up.output)
    assert len(alive()) >= 1 + 1 + 2 * len(NAMES) + 1  # itself, the server, each worker with its pool, the API
    note = tmp_path / "var" / "run" / "server.json"
    key = tmp_path / "var" / "run" / "api-key"
    assert [stat.S_IMODE(file.stat().st_mode) for file in (note, key)] == [0o600, 0o600]
    url = re.search(r"HTTP API: (http://127\.0\.0\.1:\d+)/api/v1/docs", up.output)
    assert url is not None
    shown = {"Authorization": f"Bearer {key.read_text()}"}
    assert [httpx.get(f"{url[1]}/api/v1/queues", headers=h).status_code for h in ({}, shown)] == [401, 200]
    code, out, _ = mt("submit", "emotion_detection", "--payload", '{"text": "What a wonderful idea!"}', "--wait", "30")
    assert (code, json.loads(out)["emotion"] != "") == (0, True)
    up.send(signal.SIGINT)
    assert up.wait(STOPPED_WITHIN_S) == 0, up.output
    assert "everything is stopped" in up.output
    assert alive() == []
    assert not note.exists()
    assert "Traceback" not in up.output


def test_accepted_tasks_survive_a_restart_and_a_second_up_is_refused(
    fleet: tuple[Callable[..., RunningProcess], Alive], mt: Mt
) -> None:
    start, alive = fleet
    up = start("--services", "user")
    up.wait_for_line("ready: user", READY_WITHIN_S)
    code, out, _ = mt("submit", "custom_task_type_1")  # no worker here runs it
    task_id = out.strip()
    assert code == 0
    code, _, err = mt("up")
    assert code == 1
    assert f"already runs in this directory (process {up.pid})" in err
    up.send(signal.SIGTERM)
    assert up.wait(STOPPED_WITHIN_S) == 0, up.output
    assert alive() == []
    assert mt("status")[0] == 3
    again = start("--services", "user", "--json")
    again.wait_for_line('"state": "ready"', READY_WITHIN_S)
    assert json.loads(mt("status", task_id, "--json")[1])["task"]["state"] == "pending"
    again.send(signal.SIGINT)
    assert again.wait(STOPPED_WITHIN_S) == 0, again.output


def test_a_server_or_worker_that_dies_is_started_again(
    fleet: tuple[Callable[..., RunningProcess], Alive], mt: Mt
) -> None:
    start, alive = fleet
    up = start("--services", "user", "--port", str(free_port()))
    up.wait_for_line("ready: user", READY_WITHIN_S)
    server = _pid_of(alive, "valkey-server|redis-server")
    os.kill(server, signal.SIGKILL)
    up.wait_for_line("starting it again on the same data")
    eventually(lambda: mt("status")[0] == 0, 20)
    worker = _pid_of(alive, "worker user")
    os.killpg(worker, signal.SIGKILL)
    up.wait_for_line("ended by SIGKILL; starting it again")
    code, _, err = mt(
        *("submit", "user_login", "--payload", '{"username": "anna", "user_id": "1"}', "--wait", "60", "--json")
    )
    assert code in (0, 1), err  # what became of it is the service's matter; that it ended is ours
    up.send(signal.SIGTERM)
    assert up.wait(STOPPED_WITHIN_S) == 0, up.output
    assert alive() == []


def test_stopping_it_while_it_still_starts_is_as_clean(
    fleet: tuple[Callable[..., RunningProcess], Alive], tmp_path: Path
) -> None:
    start, alive = fleet
    up = start()
    eventually(lambda: (tmp_path / "var" / "run" / "server.json").exists() and len(alive()) > 2, 20)
    up.send(signal.SIGINT)
    assert up.wait(STOPPED_WITHIN_S) in (0, 130), up.output
    assert alive() == []
    assert "Traceback" not in up.output


@pytest.mark.chaos
def test_when_it_is_killed_itself_nothing_goes_on_without_it(
    fleet: tuple[Callable[..., RunningProcess], Alive], mt: Mt
) -> None:
    start, alive = fleet
    up = start("--services", "user")
    up.wait_for_line("ready: user", READY_WITHIN_S)
    up.popen.kill()
    up.wait()
    nobody_left(alive, 20)
    assert mt("status")[0] == 3  # the note that it left is not believed
    assert not is_running(up.pid)


def _pid_of(alive: Alive, pattern: str) -> int:
    for pid in sorted(alive()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if re.search(pattern, words):
            return pid
    raise AssertionError(f"no process of {pattern}")
