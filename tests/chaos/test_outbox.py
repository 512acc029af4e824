"""The broker goes and comes while several processes submit: every answer is kept, and each task runs exactly once."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.outbox import file_of
from meetingtasks.settings import Settings, load
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

pytestmark = pytest.mark.chaos

SUBMITTERS = 3
#: tasks that are kept while the broker is away; MT_TEST_OUTAGE_TASKS=4000 is 20 s at 200 submissions a second
KEPT = int(os.environ.get("MT_TEST_OUTAGE_TASKS", "150"))
#: submits as fast as 200 a second among three, and writes what it was answered before it submits again
SUBMITTER = """
import sys, threading, time
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import MeetingTasksError
trace, until, pause = sys.argv[1], sys.argv[2], threading.Event()
import os
with TaskDispatcher() as dispatcher:
    print("ready", flush=True)
    while not os.path.exists(until):
        request = {"type": "custom_task_type_1", "payload": {"trace_file": trace}}
        began = time.monotonic()
        try:
            answer = dispatcher.dispatch(request)
            print("answer", answer.status.value, answer.task_id, round(time.monotonic() - began, 4), flush=True)
        except MeetingTasksError as error:
            print("answer", error.code, "-", round(time.monotonic() - began, 4), flush=True)
        pause.wait(0.015)
"""


class Scene:
    """A server, a worker and submitters; everything they were answered, and every run of a task."""

    def __init__(self, server: EmbeddedServer, tmp_path: Path, start: Callable[..., RunningProcess]) -> None:
        self.server = server
        self.trace, self.until = tmp_path / "trace", tmp_path / "until"
        self.settings: Settings = load(broker_url=server.url, outbox_path=tmp_path / "outbox")
        self.env = {"MT_BROKER_URL": server.url, "MT_OUTBOX_PATH": str(tmp_path / "outbox")}
        self._start = start
        self.submitters = [self.submitter() for _ in range(SUBMITTERS)]
        for submitter in self.submitters:
            submitter.wait_for_line("ready", 60)

    def submitter(self) -> RunningProcess:
        command = [sys.executable, "-u", "-c", SUBMITTER, str(self.trace), str(self.until)]
        return self._start(command, env=self.env)

    def worker(self) -> RunningProcess:
        command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-P", "threads"]
        options = ["-c", "4", "-l", "INFO", "--without-gossip", "--without-mingle"]
        worker = self._start([*command, *options], env=self.env)
        worker.wait_for_line("ready.", 60)
        return worker

    def answers(self, *states: str) -> list[str]:
        """Return the ids of the tasks that were answered so."""
        lines = [line.split() for submitter in self.submitters for line in submitter.output.splitlines()]
        return [words[2] for words in lines if words[0] == "answer" and len(words) == 4 and words[1] in states]

    def runs(self) -> Counter[str]:
        """Return how often each task ran."""
        return (
            Counter(line.split()[0] for line in self.trace.read_text().splitlines())
            if self.trace.exists()
            else Counter()
        )

    def kept(self) -> int:
        file = file_of(self.settings)
        assert file is not None
        try:
            return file.totals().tasks
        finally:
            file.close()

    def all_run(self) -> None:
        """Stop submitting and wait until every accepted task has run."""
        self.until.touch()
        for submitter in self.submitters:
            submitter.wait(60)
        accepted = set(self.answers("pending", "buffered"))
        eventually(lambda: self.kept() == 0, within_s=60)
        eventually(lambda: accepted <= self.runs().keys(), within_s=60)


@pytest.fixture
def scene(tmp_path: Path, start_process: Callable[..., RunningProcess]) -> Iterator[Scene]:
    with EmbeddedServer(port=0) as server:
        yield Scene(server, tmp_path, start_process)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_f9_f10_the_broker_is_away_under_load_and_every_accepted_task_runs_once(scene: Scene, how: str) -> None:
    worker = scene.worker()
    eventually(lambda: len(scene.answers("pending")) > 30, within_s=60)
    if how == "kill":
        scene.server.kill()
    else:
        scene.server._end(signal.SIGTERM, 10.0)
    eventually(lambda: len(scene.answers("buffered")) >= KEPT, within_s=110)
    scene.server.restart()
    before = len(scene.answers("pending"))
    eventually(lambda: len(scene.answers("pending")) > before + 30, within_s=60)
    scene.all_run()
    assert set(scene.runs().values()) == {1}
    assert scene.answers("broker_unavailable", "outbox_unavailable") == []
    assert worker.popen.poll() is None
    with TaskDispatcher(settings=scene.settings) as dispatcher:
        eventually(lambda: dispatcher.get_stats()["active_tasks"] == 0, within_s=30)
        assert dispatcher.get_stats()["total_dispatched"] == len(scene.runs())


def test_f31_submitters_killed_while_they_keep_and_while_they_send_on_lose_nothing(scene: Scene) -> None:
    scene.server.kill()
    eventually(lambda: len(scene.answers("buffered")) >= KEPT, within_s=110)
    scene.submitters[0].send(signal.SIGKILL)  # while it keeps
    scene.submitters[0].wait()
    kept = scene.kept()
    assert kept >= len(scene.answers("buffered")) - 1
    scene.server.restart()
    eventually(lambda: scene.kept() < kept, within_s=60)
    scene.submitters[1].send(signal.SIGKILL)  # while it sends on, or has just done so
    scene.submitters[1].wait()
    scene.worker()
    scene.all_run()
    assert set(scene.runs().values()) == {1}
