"""The ids of a run's tasks: the same for each repeat of a step, others for each generation of the run's task."""

from dataclasses import replace
from typing import Any, cast

from meetingtasks.store.runs import RunRecord
from workers.pipeline.flow import task_id_of
from workers.pipeline.run import Run

RECORD = RunRecord(
    id="r1",
    state="running",
    created_ms=0,
    ended_ms=None,
    heard_ms=0,
    token="",
    spec={"generation": 1},
    percent=0.0,
    message="",
    eta_s=None,
    stages=(),
    outcome={},
)


def handle(**changes: Any) -> Run:
    return Run(replace(RECORD, **changes), cast("Any", None), cast("Any", None))


def test_a_repeated_step_submits_the_same_task_and_a_requeued_run_others() -> None:
    assert task_id_of(handle(), "ingest:1") == task_id_of(handle(), "ingest:1")
    ids = {
        task_id_of(handle(), "ingest:1"),
        task_id_of(handle(), "ingest:2"),
        task_id_of(handle(id="r2"), "ingest:1"),
        task_id_of(handle(spec={"generation": 2}), "ingest:1"),
    }
    assert len(ids) == 4
