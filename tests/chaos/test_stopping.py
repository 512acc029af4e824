"""F7 and F8: a worker is told to stop. What runs is waited for, the rest is given back, nothing is lost or doubled."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import redis

from meetingtasks.app import create_app
from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess, is_running
from tests.support.service_workers import start_worker

pytestmark = pytest.mark.chaos
POOLS = ("prefork", "threads", "solo")
GIVEN_BACK = 4


@dataclass
class Shift:
    """Tasks that run until they are let go, and the workers that run them."""

    dispatcher: TaskDispatcher
    broker_url: str
    redis_url: str
    directory: Path
    start_process: Callable[..., RunningProcess]
    ids: list[str] = field(default_factory=list)

    def worker(self, pool: str, *options: str, **env: str) -> RunningProcess:
        options = ("-P", pool, *(() if "-c" in options else ("-c", "1")), *options)
        return start_worker(self.start_process, self.broker_url, *options, env=env)

    def submit(self, number: int = 1, **wanted: Any) -> list[str]:
        payload = {"trace_file": str(self.directory / "trace"), "until_file": str(self.directory / "go"), **wanted}
        request = {"type": "custom_task_type_1", "payload": payload}
        self.ids += (new := [self.dispatcher.dispatch(request).task_id for _ in range(number)])
        return new

    def let_go(self) -> None:
        (self.directory / "go").touch()

    def started(self) -> list[int]:
        """Return the process numbers of all starts."""
        trace = self.directory / "trace"
        return [int(line.split()[1]) for line in trace.read_text().splitlines()] if trace.exists() else []

    def children(self) -> list[int]:
        """Return the numbers of the processes that the tasks have started."""
        return [int(line) for line in (self.directory / "trace.children").read_text().splitlines()]

    @cached_property
    def queue(self) -> LeaseQueue:
        return LeaseQueue(redis.Redis.from_url(self.redis_url), "custom_tasks")

    def places(self) -> tuple[int, int]:
        size = self.queue.size()
        return size.total_ready, size.leased

    def unharmed(self) -> bool:
        """Tell whether no waiting message has used a delivery."""
        return all(stored.deliveries == 0 for stored in self.queue.peek())

    def all_completed(self) -> bool:
        return all(self.dispatcher.wait(task_id, 60).status is TaskState.COMPLETED for task_id in self.ids)


@pytest.fixture
def shift(
    broker_url: str, redis_url: str, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> Iterator[Shift]:
    with TaskDispatcher(broker_url) as dispatcher:
        yield Shift(dispatcher, broker_url, redis_url, tmp_path, start_process)


@pytest.mark.parametrize("pool", POOLS)
def test_f7_what_runs_is_waited_for_and_what_has_not_begun_goes_back(shift: Shift, pool: str) -> None:
    worker = shift.worker(pool, "--prefetch-multiplier", "3")
    shift.submit(3)
    held = 1 if pool == "solo" else 3  # the solo pool has no place where a task could wait
    eventually(lambda: len(shift.started()) == 1 and shift.places() == (3 - held, held), 30)
    worker.send(signal.SIGTERM)
    eventually(lambda: shift.places() == (2, 1), 30)
    told = worker.wait_for_line("stopping: waits")
    running = next(id_ for id_ in shift.ids if shift.dispatcher.get_status(id_) is TaskState.RUNNING)
    assert f"custom_task_type_1[{running}], which has run for" in told
    shift.submit()
    shift.let_go()
    assert worker.wait(60) == 0
    assert shift.places() == (3, 0)
    assert shift.unharmed()
    assert len(shift.started()) == 1
    shift.worker("threads")
    assert shift.all_completed()
    assert len(shift.started()) == 4


@pytest.mark.parametrize(
    ("pool", "signals"),
    [
        ("prefork", (signal.SIGINT, signal.SIGINT)),
        ("prefork", (signal.SIGQUIT,)),
        ("threads", (signal.SIGTERM, signal.SIGINT)),
        ("solo", (signal.SIGTERM, signal.SIGTERM)),
    ],
)
def test_f8_a_second_signal_ends_running_code_and_gives_its_tasks_back(
    shift: Shift, pool: str, signals: tuple[signal.Signals, ...]
) -> None:
    worker = shift.worker(pool, "-c", "2")
    shift.submit(2, child=True)
    at_once = 1 if pool == "solo" else 2
    eventually(lambda: len(shift.started()) == at_once and shift.places() == (2 - at_once, at_once), 30)
    for number in signals[:-1]:
        worker.send(number)
        worker.wait_for_line("stopping: waits")  # two of a kind that come at the same moment are one
    worker.send(signals[-1])
    assert worker.wait(60) == GIVEN_BACK
    assert shift.places() == (2, 0)
    assert shift.unharmed()
    eventually(lambda: not any(is_running(pid) for pid in shift.started() + shift.children()), 30)
    shift.let_go()
    shift.worker("threads", "-c", "2")
    assert shift.all_completed()
    assert [len(shift.dispatcher.get(id_).attempts) for id_ in shift.ids].count(2) == at_once


@pytest.mark.parametrize(("pool", "then"), [("prefork", "requeue"), ("prefork", "fail"), ("threads", "fail")])
def test_f7_a_task_that_outlasts_the_wait_is_given_back_or_failed(shift: Shift, pool: str, then: str) -> None:
    worker = shift.worker(pool, MT_MAX_SHUTDOWN_WAIT_S="0.3", MT_SHUTDOWN_OVERDUE=then)
    (task_id,) = shift.submit()
    eventually(lambda: len(shift.started()) == 1, 30)
    worker.send(signal.SIGTERM)
    assert worker.wait(60) == GIVEN_BACK
    record = shift.dispatcher.get(task_id)
    if then == "requeue":
        assert shift.places() == (1, 0)
        assert not record.state.is_final
    else:
        assert shift.places() == (0, 0)
        assert record.error is not None
        assert (record.state, record.error.code) == (TaskState.FAILED, "worker_stopped")


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_f7_an_idle_worker_stops_by_itself_and_by_remote_control(shift: Shift, pool: str) -> None:
    first, second = shift.worker(pool), shift.worker(pool)
    first.send(signal.SIGINT)
    assert first.wait(60) == 0
    with create_app("signaling", load(broker_url=shift.broker_url)) as app:
        # a worker may say that it is ready a moment before it listens to remote control
        eventually(lambda: app.control.ping(timeout=0.5, limit=1), 30)
        app.control.shutdown()
    assert second.wait(60) == 0
