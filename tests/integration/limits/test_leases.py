"""A lease lasts as long as its task may run, and what a task's code logs says whose line it is."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import TaskState
from tests.integration.limits.conftest import TYPE, Limited
from tests.support.processes import ROOT, RunningProcess

SHORT = {"MT_LEASE_S": "0.6", "MT_RENEW_S": "0.2", "TEST_LEASE_GRACE_S": "0.2"}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_lease_of_a_task_that_asked_for_more_time_is_kept(fleet: Limited, tmp_path: Path, pool: str) -> None:
    worker = fleet.start("-P", pool, "-c", "2", env=SHORT)
    trace = tmp_path / "trace"
    record = fleet.run({"extend_s": 30, "nap_s": 3, "trace": str(trace)}, (0.3, 0.6))
    assert (record.state, record.attempt, record.redelivered) == (TaskState.COMPLETED, 1, False)
    assert len(trace.read_text().splitlines()) == 1
    assert "Lease lost" not in worker.output


def test_d3_55_every_line_of_a_tasks_code_has_task_meeting_and_trace_id(
    broker_url: str, start_process: Callable[..., RunningProcess]
) -> None:
    module = "tests.integration.limits.limits_service"
    command = [sys.executable, "-m", "meetingtasks.cli", "worker", module, "-Q", "custom_tasks", "--pool", "threads"]
    env = {"MT_BROKER_URL": broker_url, "MT_LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)}
    worker = start_process(command, env=env)
    about: dict[str, Any] = {"meeting_id": 456, "trace_id": "trace-7"}
    with TaskDispatcher(broker_url) as dispatcher:
        ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"says": "the engine speaks"}, **about}, 60)
    line = json.loads(worker.wait_for_line("the engine speaks"))
    assert (line["task_id"], line["meeting_id"], line["trace_id"]) == (ended.task_id, 456, "trace-7")
