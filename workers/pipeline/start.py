"""How a run begins: from a payload, or from an earlier run whose good stages it inherits."""

from __future__ import annotations

from typing import Any

from celery import Celery

from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.payloads.meeting import ProcessRecordingPayload
from workers.inputs import local_file
from workers.pipeline.flow import PARTED, STAGES, open_next
from workers.pipeline.run import Run, stores


def start(app: Celery, payload: ProcessRecordingPayload, ctx: TaskContext) -> None:
    """Begin the run of a task, or take up the one that an earlier delivery of the task has begun."""
    if payload.audio_files is None:
        raise BusinessError(
            "recordings by recording_id need the recording service; give audio_files", code="engine_not_configured"
        )
    for reference in payload.audio_files:
        local_file(reference)  # a missing file is the caller's error, before anything is made
    spec = payload.model_dump(mode="json")
    spec["meeting_id"] = spec["meeting_id"] or ctx.record.meeting_id
    spec["priority"] = ctx.record.priority.value
    spec["generation"] = ctx.record.generation
    inherits, from_stage = ctx.record.metadata.get("inherits"), ctx.record.metadata.get("from_stage")
    _, runs = stores()
    base = _base(inherits, from_stage) if inherits else None
    if base is not None:
        spec["minutes_version"] = int(base.facts("minutes").get("version", 1)) + 1
    runs.create(ctx.task_id, spec, token=ctx.token)
    run = Run.load(ctx.task_id)
    assert run is not None  # noqa: S101 - it was made by the line before
    if base is not None and run.record.stage(str(from_stage)).state == "waiting":  # again, if it died half-way
        inherit(run, base, str(from_stage))
    if run.record.state == "running":
        open_next(app, run)


def _base(run_id: object, from_stage: object) -> Run:
    base = Run.load(str(run_id))
    if base is None:
        raise BusinessError(f"there is no run {run_id!r} to rerun", code="task_not_found")
    if from_stage not in STAGES:
        raise BusinessError(f"there is no stage {from_stage!r}; use one of {', '.join(STAGES)}", code="invalid_payload")
    if base.record.state == "running":
        raise BusinessError(f"run {run_id} has not ended; cancel it or wait", code="task_conflict")
    return base


def inherit(run: Run, base: Run, from_stage: str) -> None:
    """Take over every stage before ``from_stage``, and from that stage itself the parts that were done."""
    for name in STAGES:
        old = base.record.stage(name)
        if name in PARTED and name == from_stage and name == "transcribe":
            for index, part in base.runs.parts(base.id, name).items():
                if part["state"] == "done":
                    run.runs.keep_part(run.id, name, index, part, release=True)
        if name == from_stage:
            return
        if old.state not in ("done", "skipped"):
            return  # it never got that far: go on from here
        run.runs.begin_stage(run.id, name, total=old.total, now_ms=SYSTEM.now_ms())
        run.runs.set_facts(run.id, name, old.facts)
        run.runs.close_stage(run.id, name, now_ms=SYSTEM.now_ms(), skipped=old.state == "skipped")
        if name in PARTED:
            _take_parts(run, base, name)


def _take_parts(run: Run, base: Run, stage: str) -> None:
    parts: dict[int, dict[str, Any]] = base.runs.parts(base.id, stage)
    for index, part in parts.items():
        run.runs.keep_part(run.id, stage, index, part, release=stage == "transcribe")
