"""A handle on one run: its record, its files, and the three ways in which it ends.

The run's task stays ``running`` while the stages work; the token in the run's record lets them report for it. The
run's end goes with the task's in one transaction, so nobody sees the one without the other. A task that ended without
its run (given up by the broker) leaves a run that ``reconcile`` closes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from celery import states as celery_states

from meetingtasks.clock import SYSTEM
from meetingtasks.events.facts.base import Fact
from meetingtasks.events.facts.task import PipelineCompleted, PipelineFailed
from meetingtasks.failures import describe
from meetingtasks.records import Progress
from meetingtasks.settings import current
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.runs import STAGE_WEIGHTS, RunRecord, RunStore, Stage, percent_of
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import End, TaskStore
from workers.base import storage
from workers.engines.storage import Storage
from workers.process_events import tell

log = logging.getLogger(__name__)

#: share of the recording's length that a run is expected to take, before its own rate is known
FIRST_GUESS = 0.25
_MEASURABLE_PERCENT = 5.0


class Run:
    """One run of the pipeline, as its stages see it."""

    def __init__(self, record: RunRecord, tasks: TaskStore, runs: RunStore) -> None:
        self.record = record
        self.tasks = tasks
        self.runs = runs

    @classmethod
    def load(cls, run_id: str) -> Run | None:
        """Read a run, or None when there is none (any more)."""
        tasks, runs = stores()
        record = runs.get(run_id)
        return None if record is None else cls(record, tasks, runs)

    @property
    def id(self) -> str:
        """The run's id, which is its task's."""
        return self.record.id

    @property
    def spec(self) -> dict[str, Any]:
        """The payload of ``process_recording``, and what the run inherits."""
        return self.record.spec

    @property
    def storage(self) -> Storage:
        """Where its files live."""
        return storage()

    def key(self, name: str) -> str:
        """Return the storage key of one of the run's files."""
        return f"runs/{self.id}/{name}"

    def facts(self, stage: str) -> dict[str, Any]:
        """Return what a finished stage found out; empty before."""
        return self.record.stage(stage).facts

    def file(self, stage: str, name: str) -> Path:
        """Return the local file that a stage's facts refer to."""
        return self.storage.path_of(self.facts(stage)[name])

    def refresh(self) -> None:
        """Read the record anew."""
        fresh = self.runs.get(self.id)
        if fresh is not None:
            self.record = fresh

    # -- going on ---------------------------------------------------------------------------------------------------

    def cancel_asked(self) -> bool:
        """Tell whether the run's task was cancelled or has ended otherwise.

        Not whether this handle's token is the newest: a repeated delivery of the task takes the run over, and the
        stages that are under way go on for it.
        """
        return self.tasks.is_over(self.id)

    def stopper(self, also: Callable[[], bool]) -> Callable[[], bool]:
        """Return a check for engines: the part's own cancellation or the run's, asked at most every 0.4 s."""
        asked = [SYSTEM.monotonic_s()]

        def stop() -> bool:
            if also():
                return True
            if SYSTEM.monotonic_s() - asked[0] < 0.4:  # noqa: PLR2004 - a cancelled run ends within 2 s
                return False
            asked[0] = SYSTEM.monotonic_s()
            return self.cancel_asked()

        return stop

    def report(self, message: str) -> None:
        """Tell the run's task how far the stages are together."""
        self.refresh()
        percent = max(self.record.percent, percent_of(self.record.stages))
        eta_s = self._eta_s(percent)
        self.runs.report(self.id, percent=percent, message=message, eta_s=eta_s)
        stage = self.record.current
        over = sum(stage.state in ("done", "skipped") for stage in self.record.stages)
        self.tasks.progress(
            self.id,
            self.record.token,
            Progress(
                percent=percent,
                step=stage.name if stage else "",
                completed_steps=over,
                total_steps=len(STAGE_WEIGHTS),
                message=message,
            ),
        )

    def _eta_s(self, percent: float) -> float | None:
        elapsed_s = (SYSTEM.now_ms() - self.record.created_ms) / 1000
        if percent >= _MEASURABLE_PERCENT:
            return elapsed_s * (100 - percent) / percent
        duration_ms = self.facts("ingest").get("duration_ms")
        return None if duration_ms is None else max(0.0, duration_ms / 1000 * FIRST_GUESS - elapsed_s)

    def tell(self, fact: type[Fact], occasion: str, **about: Any) -> None:
        """Tell the fleet of something that happened to the run; a repeated step tells nothing again."""
        ids = {"pipeline_id": self.id, "task_id": self.id, "meeting_id": self.spec.get("meeting_id")}
        tell(fact.model_validate({**ids, **about}), once=f"{self.id} {occasion}")

    # -- ending -----------------------------------------------------------------------------------------------------

    def complete(self, outcome: Mapping[str, Any]) -> None:
        """End the run well: its task gets the outcome as result."""
        self.refresh()
        result = {**outcome, "stages": {stage.name: _times(stage) for stage in self.record.stages}}
        end = End(
            state=TaskState.COMPLETED,
            result=result,
            partial=bool(result.get("partial")),
            meta=_meta(self.id, celery_states.SUCCESS, result),
        )
        self._end(end, result)

    def fail(self, stage: str, error: Exception) -> None:
        """End the run because a stage could not be done; good parts and files are kept for a rerun."""
        described = describe(error)
        meta = _meta(
            self.id,
            celery_states.FAILURE,
            {"exc_type": described.exc_type, "exc_module": described.exc_module, "exc_message": [described.message]},
        )
        end = End(state=TaskState.FAILED, error=described, meta=meta, dead=True)
        self._end(end, {"failed_stage": stage, "error": {"code": described.code, "message": described.message}})

    def end_cancelled(self) -> None:
        """End the run because its task was cancelled."""
        refused = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions", "exc_message": ["cancelled"]}
        self._end(End(state=TaskState.CANCELLED, meta=_meta(self.id, celery_states.REVOKED, refused)), {})

    def _end(self, end: End, outcome: Mapping[str, Any]) -> None:
        standing = self._try_to_end(end, outcome)
        while standing == "lost":  # a repeated delivery of the task has taken the run over since this handle was read
            read = self.record.token
            self.refresh()
            if self.record.token == read:
                log.error("a run could not be ended and is left to the reconciler", extra={"run_id": self.id})
                return
            standing = self._try_to_end(end, outcome)
        if standing == TaskState.COMPLETED:
            self.tell(PipelineCompleted, "ended", partial=end.partial)
        else:
            self.tell(PipelineFailed, "ended", stage=outcome.get("failed_stage"), state=standing)

    def _try_to_end(self, end: End, outcome: Mapping[str, Any]) -> str:
        pipe = self.tasks.client.pipeline(transaction=True)
        pipe.script_load(load("finish").source)
        self.tasks.finish(self.id, self.record.token, end, pipe=pipe)
        self.runs.end(self.id, outcome, pipe=pipe)
        return str(pipe.execute()[1])


def _times(stage: Stage) -> dict[str, Any]:
    return {"state": stage.state, "started_ms": stage.started_ms, "ended_ms": stage.ended_ms}


def stores() -> tuple[TaskStore, RunStore]:
    """Return the stores of this process's settings."""
    settings = current()
    client = connect(settings.effective_store_url)
    tasks = TaskStore(client, record_ttl_s=settings.record_ttl_s, stream_length=settings.event_stream_length)
    return tasks, RunStore(client, record_ttl_s=settings.record_ttl_s)


def _meta(task_id: str, status: str, result: Any) -> str:
    meta = {"status": status, "result": result, "traceback": None, "children": [], "task_id": task_id}
    return json.dumps(meta, ensure_ascii=False)
