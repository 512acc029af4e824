"""The master dies under load: what was accepted with a replica's confirmation runs, once, on the new one."""

import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess
from tests.support.sentinels import Sentinels

pytestmark = pytest.mark.chaos


class Load:
    """Submits tasks from a thread; an unanswered submission is repeated under its own id until it is answered."""

    def __init__(self, dispatcher: TaskDispatcher, trace: Path) -> None:
        self.accepted: dict[str, float] = {}
        self.unanswered = 0
        self._dispatcher = dispatcher
        self._trace = str(trace)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._stopping.wait(0.01):
                return
            self._submit({"name": f"task{number}", "trace_file": self._trace})

    def _submit(self, payload: dict[str, str]) -> None:
        try:
            accepted = self._dispatcher.dispatch({"type": "custom_task_type_1", "payload": payload})
        except BrokerUnavailable:
            self.unanswered += 1  # nobody knows: it may run, and need not
        else:
            self.accepted[accepted.task_id] = time.monotonic()


def start_worker(start_process: Callable[..., RunningProcess], url: str) -> RunningProcess:
    env = {"MT_BROKER_URL": url, "MT_RETRY_BASE_S": "0.05", "MT_DURABILITY": "strict", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-l", "INFO", "-c", "2"]
    worker = start_process(command, env=env)
    worker.wait_for_line("ready.")
    return worker


def test_f14_f16_the_master_dies_under_load_and_what_was_confirmed_runs_once(
    sentinels: Sentinels, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> None:
    worker = start_worker(start_process, sentinels.url)
    trace = tmp_path / "trace"
    with TaskDispatcher(settings=load(broker_url=sentinels.url, durability="strict")) as dispatcher:
        long = dispatcher.dispatch(
            {"type": "custom_task_type_1", "payload": {"trace_file": str(trace), "until_file": str(tmp_path / "go")}}
        )
        under = Load(dispatcher, trace)
        eventually(lambda: len(under.accepted) > 50, 20)
        killed = sentinels.kill_master()
        killed_s = time.monotonic()
        # the dead master's place is taken by a new replica, without which nothing is confirmed
        eventually(lambda: sentinels.master() != killed, 20)
        sentinels.serve(killed, "--replicaof", "127.0.0.1", str(sentinels.master()))
        eventually(lambda: any(at > killed_s for at in under.accepted.values()), 20)
        first_s = min(at for at in under.accepted.values() if at > killed_s) - killed_s
        before = len(under.accepted)
        eventually(lambda: len(under.accepted) > before + 50, 20)
        under.stop()
        (tmp_path / "go").touch()
        for task_id in [long.task_id, *under.accepted]:
            assert dispatcher.wait(task_id, 30).status is TaskState.COMPLETED
        starts = [line.split()[0] for line in trace.read_text().splitlines()]
        assert len(starts) == len(set(starts))
        assert {dispatcher.get(task_id).attempt for task_id in under.accepted} == {1}
        assert worker.popen.poll() is None
        assert first_s < 30, f"first accepted {first_s:.1f} s after the kill, {under.unanswered} without an answer"
