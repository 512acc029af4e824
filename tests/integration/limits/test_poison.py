"""Tasks that bring down their process, and a worker that lacks what it needs."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meetingtasks.states import TaskState
from tests.integration.limits.conftest import Limited
from tests.support.processes import ROOT, RunningProcess


def test_f6_a_segfault_starts_three_times_is_noticed_each_time_and_harms_no_neighbour(
    prefork: Limited, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    neighbours = [prefork.submit({"nap_s": 0.1}) for _ in range(20)]
    record = prefork.run({"crash": True, "trace": str(trace)}, max_retries=9)
    assert (record.state, record.attempt, record.dead) == (TaskState.FAILED, 3, True)
    assert record.error is not None
    assert record.error.code == "worker_lost"
    assert len(trace.read_text().splitlines()) == 3
    # Celery alone notices most deaths with its next round, five seconds later
    assert max(attempt.run_ms or 0 for attempt in record.attempts) < 4000
    assert [prefork.ended(one).state for one in neighbours] == [TaskState.COMPLETED] * 20
    assert [prefork.ended(one).attempt for one in neighbours] == [1] * 20


def test_f5_a_task_that_wants_too_much_memory_fails_alone(fleet: Limited) -> None:
    worker = fleet.start("-P", "prefork", "-c", "2", env={"MT_POOL_PROCESS_MEMORY_MIB": "2000"})
    neighbours = [fleet.submit({"nap_s": 0.1}) for _ in range(10)]
    record = fleet.run({"allocate_mib": 4000}, max_retries=0)
    assert record.state is TaskState.FAILED
    assert record.error is not None
    assert (record.error.code, record.error.error_class) == ("out_of_memory", "resource")
    assert [fleet.ended(one).state for one in neighbours] == [TaskState.COMPLETED] * 10
    assert worker.popen.poll() is None


@pytest.fixture
def refused(start_process: Callable[..., RunningProcess], broker_url: str) -> Callable[..., str]:
    """Start a worker that is to refuse its work; returns what it says."""

    def start(service: str, *options: str, files: int | None = None) -> str:
        command = [sys.executable, "-m", "celery", "-A", service, "worker", *options]
        if files is not None:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        worker = start_process(command, env={"MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT)})
        assert worker.wait(60) == 2
        assert "Traceback" not in worker.output
        return " ".join(worker.output.split())

    return start


def test_f37_too_few_open_files_are_told_before_anything_starts(refused: Callable[..., str]) -> None:
    said = refused("tests.integration.limits.limits_service", "-P", "prefork", "-c", "4", files=64)
    assert "the limit of open files (ulimit -n) is 64; a worker with 4 pool processes needs 96" in said


def test_a_pool_that_cannot_end_a_task_refuses_types_that_need_it(refused: Callable[..., str]) -> None:
    said = refused("workers.media", "-P", "threads", "-c", "1")
    assert "the pool 'threads' cannot end a task at its hard time limit" in said
    assert "extract_audio" in said
