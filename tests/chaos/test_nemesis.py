"""Everything breaks under load, and afterwards the history checker finds that all that is promised was kept.

Short by default; ``make chaos`` runs it long, each fault by itself and often (``CHAOS_ROUNDS``).
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.chaos import nemesis
from tests.support.chaos.arena import Arena, family
from tests.support.eventually import eventually
from tests.support.history.check import check
from tests.support.history.of_tasks import extra_starts
from tests.support.processes import is_running

pytestmark = [pytest.mark.chaos, pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")]

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "0"))
KINDS = {"processes": nemesis.PROCESSES, "server": nemesis.SERVER, "links": nemesis.LINKS}
SINGLE = {fault.__name__: (fault,) for kind in KINDS.values() for fault in kind}


def battle(directory: Path, faults: tuple[nemesis.Break, ...], rounds: int) -> None:
    """Break what there is to break in a random order, ``rounds`` times over, then look at what happened."""
    order = random.Random(os.environ.get("CHAOS_SEED", "1"))
    with Arena(directory) as arena:
        arena.progress()
        for _ in range(rounds):
            for fault in order.sample(faults, len(faults)):
                at_s = time.time()
                fault(arena)
                arena.progress()
                arena.fault(at_s=at_s, kills=False)  # whatever it was, what was under way was held up by it
        arena.drain()
        codes = arena.stop_workers()
        history = arena.history()
        violations = check(history)
        slots = sum(fault.slots for fault in history.faults)
        sys.stderr.write(
            f"{rounds} x {[fault.__name__ for fault in faults]}: {len(history.submissions)} accepted, "
            f"{len(arena.load.unknown)} unknown, {extra_starts(history)} extra starts of {slots} allowed, "
            f"{len(violations)} violations\n"
        )
        for worker in arena.workers:
            (directory / f"worker-{worker.pid}.log").write_text(worker.output)
        assert not violations, "\n".join(f"{one.invariant}: {one.evidence}" for one in violations)
        assert codes == [0] * len(codes)
        assert len(history.submissions) > rounds


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_promised_holds_whatever_breaks(kind: str, tmp_path: Path) -> None:
    battle(tmp_path, KINDS[kind], rounds=1)


@pytest.mark.timeout(400)
def test_f7_rolling_restarts_under_load_lose_nothing_and_run_nothing_twice(tmp_path: Path) -> None:
    battle(tmp_path, (nemesis.f7_replace_a_worker,), rounds=4)


@pytest.mark.skipif(not ROUNDS, reason="long: make chaos")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SINGLE)
def test_each_fault_many_times(name: str, tmp_path: Path) -> None:
    battle(tmp_path, SINGLE[name], rounds=ROUNDS)


def test_f3_nothing_that_a_killed_worker_has_started_lives_on(tmp_path: Path) -> None:
    with Arena(tmp_path, workers=1) as arena:
        arena.load.stop()
        children = tmp_path / "children"
        arena.load.submit(child_file=str(children), work_s=60)
        child = int(eventually(lambda: children.exists() and children.read_text().strip(), 30))
        pids = [*family(arena.workers[0].pid), child]
        assert all(is_running(pid) for pid in pids)
        arena.workers[0].send(signal.SIGKILL)
        eventually(lambda: not any(is_running(pid) for pid in pids))
