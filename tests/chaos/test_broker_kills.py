"""Workers and servers are killed; no task is lost, and none runs more often than it must."""

import os
import signal
import time

import pytest

from tests.integration.broker.fleet import Fleet, fleet, own_fleet
from tests.support.eventually import eventually

__all__ = ["fleet", "own_fleet"]
pytestmark = pytest.mark.chaos


def test_f1_tasks_of_a_killed_worker_run_elsewhere_within_10_s(fleet: Fleet) -> None:
    doomed, _ = fleet.worker(), fleet.worker()
    for i in range(4):
        fleet.send("nap", f"task{i}", 8)
    eventually(lambda: fleet.times("start") == 4)
    mine = [line.split()[1] for line in fleet.written()]
    doomed.send(signal.SIGKILL)
    killed_at = time.time()
    eventually(lambda: fleet.times("end") == 4, within_s=30)
    again = [name for name in mine if fleet.times(f"start {name} ") == 2]
    assert len(again) == 2
    restarts = [float(line.split()[0]) for line in fleet.lines() if line.endswith("True")]
    assert max(restarts) - killed_at < 10
    eventually(lambda: fleet.queue().size().leased == 0)


def test_f2_a_dead_pool_process_is_noticed_at_once(fleet: Fleet) -> None:
    fleet.worker()
    fleet.send("nap", "victim", 1.5)
    eventually(lambda: fleet.times("start victim") == 1)
    child = int(fleet.written()[0].split()[2])
    os.kill(child, signal.SIGKILL)
    killed_at = time.time()
    eventually(lambda: fleet.times("start victim") == 2)
    assert float(fleet.lines()[-1].split()[0]) - killed_at < 1
    eventually(lambda: fleet.times("end victim") == 1)


def test_f6_a_task_that_kills_its_process_starts_three_times_and_is_dead(fleet: Fleet) -> None:
    fleet.worker()
    result = fleet.send("die", "poison")
    eventually(lambda: fleet.queue().size().dead == 1)
    assert fleet.times("start poison") == 3
    assert fleet.queue().explain(f"{result.id}:0").reason == "worker_lost"
    assert fleet.send("add", 1, 2).get(timeout=10) == 3


def test_f4_a_stopped_worker_loses_its_task_and_its_late_answer_counts_for_nothing(fleet: Fleet) -> None:
    sleeper = fleet.worker(concurrency=1, lease_s=2, renew_s=0.5)
    fleet.send("nap", "shared", 3)
    eventually(lambda: fleet.times("start shared") == 1)
    sleeper.send(signal.SIGSTOP)
    fleet.worker(concurrency=1, lease_s=2, renew_s=0.5)
    eventually(lambda: fleet.times("start shared") == 2)
    sleeper.send(signal.SIGCONT)
    sleeper.wait_for_line("Lease lost")
    eventually(lambda: fleet.queue().size().counters["acked"] == 1)
    eventually(lambda: fleet.times("end shared") == 2)
    assert fleet.queue().size().counters["acked"] == 1


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_f10_the_server_dies_under_running_tasks_and_each_runs_once(own_fleet: Fleet, pool: str) -> None:
    worker = own_fleet.worker(pool=pool)
    results = [own_fleet.send("nap", f"task{i}", 2.5) for i in range(2)]
    waiting = [own_fleet.send("add", i, i) for i in range(5)]
    eventually(lambda: own_fleet.times("start") == 2)
    eventually(lambda: own_fleet.client.info("persistence")["aof_last_write_status"] == "ok")
    own_fleet.server.kill()
    own_fleet.server.restart()
    back_at = time.time()
    eventually(lambda: own_fleet.times("end") == 2, within_s=20)
    eventually(lambda: own_fleet.times("add") == 5, within_s=20)
    assert own_fleet.at("add") - max(back_at, own_fleet.at("end")) < 5
    eventually(lambda: own_fleet.queue().size().counters["acked"] == 7)
    assert own_fleet.times("start") == 2
    assert worker.popen.poll() is None
    assert "Unrecoverable" not in worker.output
    assert len(results + waiting) == 7
