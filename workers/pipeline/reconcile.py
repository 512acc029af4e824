"""Takes up runs that nobody works on any more: a lost chord body, a task given up by the broker, a half-written end."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import TransientError
from workers.pipeline.flow import PARTED, missing, open_stage, reopen, task_id_of
from workers.pipeline.run import Run, stores

log = logging.getLogger(__name__)

#: a run of which nothing was heard for this long is looked at
SILENCE_S = 60.0


class ReconcileRuns:
    """The duty to bring every run that has begun to its end."""

    def __init__(self, app: Celery, *, silence_s: float = SILENCE_S) -> None:
        self._app = app
        self._silence_s = silence_s

    def run_once(self) -> dict[str, int]:
        """Look at every live run; returns how many were closed, taken up again or failed."""
        done = {"closed": 0, "reopened": 0, "failed": 0}
        _, runs = stores()
        for run_id in runs.live_ids():
            run = Run.load(run_id)
            if run is not None:
                what = self._settle(run)
                if what:
                    done[what] += 1
                    log.warning("a silent run was taken up", extra={"run_id": run_id, "outcome": what})
        return done

    def _settle(self, run: Run) -> str | None:
        task = run.tasks.get(run.id)
        if task is None or task.state.is_final:
            run.runs.end(run.id, {"closed_by": "reconcile"})
            return "closed"
        if run.cancel_asked():
            run.end_cancelled()
            return "closed"
        if not _is_silent(run, self._silence_s):
            return None
        return self._take_up(run)

    def _take_up(self, run: Run) -> str | None:
        stage = run.record.current
        if stage is None or self._is_worked_on(run):
            return None
        if stage.name in PARTED:
            if missing(run, stage.name):
                reopen(self._app, run, stage.name)
            else:
                open_stage(self._app, run, stage.name, round_number=run.runs.next_round(run.id, stage.name) + 1)
            return "reopened"
        rounds = run.runs.next_round(run.id, stage.name)
        dead = self._dead_task(run, stage.name, rounds)
        if dead is not None:
            run.fail(stage.name, TransientError(f"the stage's task ended as {dead.state}", code="stage_failed"))
            return "failed"
        open_stage(self._app, run, stage.name, round_number=rounds + 1)
        return "reopened"

    def _is_worked_on(self, run: Run) -> bool:
        """Tell whether one of the run's tasks waits or runs: then it will be heard of."""
        live = run.tasks.get_many(run.tasks.live_ids(10_000))
        return any(task is not None and task.pipeline_id == run.id for task in live)

    @staticmethod
    def _dead_task(run: Run, stage: str, round_number: int) -> Any:
        task = run.tasks.get(task_id_of(run, f"{stage}:{round_number}"))
        return task if task is not None and task.dead else None


def _is_silent(run: Run, seconds: float) -> bool:
    return (SYSTEM.now_ms() - run.record.heard_ms) / 1000 > seconds
