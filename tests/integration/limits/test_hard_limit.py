"""What is left of a task that must be ended, of a pool process that died, and of a worker that was killed: nothing."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.states import TaskState
from tests.integration.limits.conftest import Limited, limited_fleet
from tests.support.eventually import eventually
from tests.support.leftovers import marked, nobody_left

FAMILY_SIZE = 4  # the one that the task starts, and three that sleep


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Limited, Callable[[], list[int]]]]:
    """Give a worker with two processes, and a function that finds all that it has started."""
    with marked(tmp_path_factory.mktemp("cwd")) as (mark, alive), limited_fleet() as fleet:
        fleet.start("-P", "prefork", "-c", "2", env=mark)
        yield fleet, alive


def command_of(pid: int) -> str:
    """Return what a process runs; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_d1_06_at_the_hard_limit_the_process_and_its_whole_family_are_ended(
    watched: tuple[Limited, Callable[[], list[int]]],
) -> None:
    fleet, alive = watched
    ours = set(alive())
    neighbour = fleet.submit({"nap_s": 2.5})
    stuck = fleet.submit({"family": True, "nap_s": 60, "stubborn": True}, (0.3, 2.0), max_retries=0)
    eventually(lambda: len(set(alive()) - ours) >= FAMILY_SIZE, 30)
    family = set(alive()) - ours
    record = fleet.ended(stuck)
    assert record.state is TaskState.TIMEOUT
    assert record.error is not None
    assert record.error.message == "ran past its hard limit; its process was ended"
    nobody_left(lambda: [pid for pid in alive() if pid in family])
    assert (fleet.ended(neighbour).state, fleet.ended(neighbour).attempt) == (TaskState.COMPLETED, 1)
    assert record.dead


def test_a_task_ended_at_its_hard_limit_is_tried_again_and_is_no_crash(
    watched: tuple[Limited, Callable[[], list[int]]],
) -> None:
    fleet, _ = watched
    record = fleet.run({"nap_s": 60, "stubborn": True}, (0.2, 0.5), max_retries=3)
    assert record.state is TaskState.TIMEOUT
    assert [attempt.outcome for attempt in record.attempts] == ["retrying", "retrying", "retrying", "timeout"]


def test_what_an_interrupted_task_has_started_is_ended_with_it(
    watched: tuple[Limited, Callable[[], list[int]]],
) -> None:
    fleet, alive = watched
    assert fleet.run({"family": True, "nap_s": 60}, (1.0, 60), max_retries=0).state is TaskState.TIMEOUT
    nobody_left(lambda: [pid for pid in alive() if "sleep" in command_of(pid)])


def test_f3_nothing_survives_a_killed_worker(fleet: Limited, tmp_path: Path) -> None:
    with marked(tmp_path) as (mark, alive):
        worker = fleet.start("-P", "prefork", "-c", "1", env=mark)
        before = len(alive())
        fleet.submit({"family": True, "nap_s": 60})
        eventually(lambda: len(alive()) >= before + FAMILY_SIZE, 30)
        worker.send(signal.SIGKILL)
        nobody_left(alive)


def test_a_killed_pool_process_leaves_nothing_and_a_killed_guardian_is_replaced(fleet: Limited, tmp_path: Path) -> None:
    with marked(tmp_path) as (mark, alive):
        fleet.start("-P", "prefork", "-c", "1", env=mark)
        (guardian,) = (pid for pid in alive() if "guardian.py" in command_of(pid))
        assert fleet.run({"kill": guardian}).state is TaskState.COMPLETED
        eventually(lambda: any("guardian.py" in command_of(pid) for pid in alive()), 30)
        before = set(alive())
        first = fleet.submit({"family": True, "nap_s": 60, "trace": str(tmp_path / "trace")}, (60, 75), max_retries=0)
        eventually(lambda: len(set(alive()) - before) >= FAMILY_SIZE, 30)
        family = set(alive()) - before
        fleet.dispatcher.cancel(first)
        pool_process = int((tmp_path / "trace").read_text().split()[1])
        assert fleet.dispatcher.get(first).attempt == 1
        os.kill(pool_process, signal.SIGKILL)
        nobody_left(lambda: [pid for pid in alive() if pid in family])
