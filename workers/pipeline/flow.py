"""How a run goes from stage to stage.

Each step may be repeated: facts and parts are kept before a stage is closed, the tasks of a stage's opening have ids
that follow from run, stage, part and round, and a task that is there already is not made twice. So the message of a
step that died half-way simply comes back and does the step again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from celery import Celery, chord

from meetingtasks.catalogue import TaskType
from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import TaskConflict
from meetingtasks.events.facts.task import PipelineStageCompleted, PipelineStageStarted
from meetingtasks.lifecycle import after_failure
from meetingtasks.requests import TaskRequest
from meetingtasks.retry import GiveUp
from meetingtasks.sending import send
from meetingtasks.store.runs import STAGE_WEIGHTS
from meetingtasks.submission import Submission, prepare
from meetingtasks.task_types import CATALOGUE
from workers.engines.errors import Cancelled
from workers.pipeline.run import Run
from workers.pipeline.types import CLOSE_TYPE, STAGE_TYPES

STAGES: Final = tuple(STAGE_WEIGHTS)
#: stages that are worked on in parts, and which fact of which stage tells how many
PARTED: Final = {"transcribe": ("split", "chunk_count"), "emotion": ("transcribe", "batch_count")}
#: openings of a stage after which its missing parts become gaps
MAX_ROUNDS = 3

Work = Callable[[Run, TaskContext], dict[str, Any]]


def do_stage(app: Celery, run_id: str, stage: str, ctx: TaskContext, work: Work) -> dict[str, Any]:
    """Do a whole stage in one task: work unless its facts are kept, then go on to the next stage."""
    run = Run.load(run_id)
    if run is None or run.record.state != "running":
        return {"skipped": "the run has ended"}
    if run.cancel_asked():
        run.end_cancelled()
        return {"skipped": "the run was cancelled"}
    try:
        facts = run.facts(stage) or work(run, ctx)
    except Exception as error:
        if run.cancel_asked():
            run.end_cancelled()
            return {"skipped": "the run was cancelled"}
        if isinstance(after_failure(error, ctx.record), GiveUp):
            run.fail(stage, error)
        raise
    finish_stage(app, run, stage, facts)
    return {"stage": stage}


def do_part(run_id: str, stage: str, index: int, ctx: TaskContext, work: Callable[[Run, TaskContext], Any]) -> Any:
    """Do one part of a stage. It never fails for good: after the last retry the part is kept as a gap."""
    run = Run.load(run_id)
    if run is None or run.record.state != "running":
        return {"skipped": "the run has ended"}
    if run.cancel_asked():
        run.end_cancelled()
        return {"skipped": "the run was cancelled"}
    try:
        outcome = {"state": "done", **work(run, ctx)}
    except Exception as error:
        if isinstance(error, Cancelled) and run.cancel_asked():
            run.end_cancelled()
            return {"skipped": "the run was cancelled"}
        if not isinstance(after_failure(error, ctx.record), GiveUp):
            raise
        ctx.log.exception("a part could not be done and is kept as a gap")
        outcome = {"state": "gap", "reason": f"{type(error).__name__}: {error}"[:300]}
    kept = run.runs.keep_part(run_id, stage, index, outcome, release=stage == "transcribe")
    total = run.record.stage(stage).total
    run.report(f"{stage} {kept}/{total}")
    return {"index": index, "state": outcome["state"]}


def close_stage(app: Celery, run_id: str, stage: str, compose: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Close a stage whose parts are all kept; open it again for the missing ones otherwise."""
    run = Run.load(run_id)
    if run is None or run.record.state != "running":
        return {"skipped": "the run has ended"}
    if run.cancel_asked():
        run.end_cancelled()
        return {"skipped": "the run was cancelled"}
    if missing(run, stage):
        reopen(app, run, stage)
        return {"stage": stage, "reopened": True}
    try:
        facts = run.facts(stage) or compose(run)
    except Exception as error:
        run.fail(stage, error)
        raise
    finish_stage(app, run, stage, facts)
    return {"stage": stage}


def finish_stage(app: Celery, run: Run, stage: str, facts: dict[str, Any]) -> None:
    """Keep a stage's facts, close it, and open the next one (or end the run)."""
    run.runs.set_facts(run.id, stage, facts)
    run.runs.close_stage(run.id, stage, now_ms=SYSTEM.now_ms())
    run.tell(PipelineStageCompleted, f"{stage} completed", stage=stage)
    run.report(f"{stage} done")
    open_next(app, run)


def open_next(app: Celery, run: Run) -> None:
    """Open the first stage that is not over; a run without one is complete."""
    run.refresh()
    while (stage := run.record.current) is not None:
        if not _is_wanted(run, stage.name):
            run.runs.close_stage(run.id, stage.name, now_ms=SYSTEM.now_ms(), skipped=True)
            run.tell(PipelineStageCompleted, f"{stage.name} completed", stage=stage.name, skipped=True)
            run.refresh()
            continue
        open_stage(app, run, stage.name, round_number=1)
        return
    run.complete(run.facts(STAGES[-1]))


def open_stage(app: Celery, run: Run, stage: str, *, round_number: int) -> None:
    """Submit the tasks of a stage: one task, or a flat chord over its missing parts."""
    if stage not in PARTED:
        run.runs.begin_stage(run.id, stage, total=1, now_ms=SYSTEM.now_ms())
        run.tell(PipelineStageStarted, f"{stage} started", stage=stage)
        _submit(app, _submission(app, run, STAGE_TYPES[stage], f"{stage}:{round_number}", {}))
        return
    run.runs.begin_stage(run.id, stage, total=part_count(run, stage), now_ms=SYSTEM.now_ms())
    run.tell(PipelineStageStarted, f"{stage} started", stage=stage, parts=part_count(run, stage))
    wanted = missing(run, stage)
    closing = _submission(app, run, CLOSE_TYPE, f"close:{stage}:{round_number}", {"stage": stage})
    if not wanted:
        _submit(app, closing)
        return
    header = [
        _signature(app, _submission(app, run, STAGE_TYPES[stage], f"{stage}:{round_number}:{i}", {"index": i}))
        for i in wanted
    ]
    chord(header, app=app)(_signature(app, closing))


def reopen(app: Celery, run: Run, stage: str) -> None:
    """Open a stage again for what is missing; after the last round the missing parts become gaps."""
    round_number = run.runs.next_round(run.id, stage) + 1
    if round_number > MAX_ROUNDS:
        for index in missing(run, stage):
            outcome = {"state": "gap", "reason": f"given up after {MAX_ROUNDS} rounds"}
            run.runs.keep_part(run.id, stage, index, outcome, release=stage == "transcribe")
    open_stage(app, run, stage, round_number=round_number)


def missing(run: Run, stage: str) -> list[int]:
    """Return the parts of a stage that are not kept yet."""
    kept = run.runs.parts(run.id, stage)
    return [index for index in range(part_count(run, stage)) if index not in kept]


def part_count(run: Run, stage: str) -> int:
    """Return how many parts a stage has."""
    source, name = PARTED[stage]
    return int(run.facts(source).get(name, 0))


def task_id_of(run: Run, what: str) -> str:
    """Return the id of one of a run's tasks: the same for every repeat of the step that submits it.

    A task that was requeued as a dead letter begins anew: its stages must not meet those of the generation before.
    """
    return str(uuid5(NAMESPACE_URL, f"{run.id}:{run.spec.get('generation', 1)}:{what}"))


def _is_wanted(run: Run, stage: str) -> bool:
    return stage != "emotion" or bool(run.spec.get("emotion", True))


def _submission(app: Celery, run: Run, task_type: TaskType, what: str, further: dict[str, Any]) -> Submission:
    request = TaskRequest(
        type=task_type.name,
        payload={"run_id": run.id, **further},
        task_id=task_id_of(run, what),
        parent_task_id=run.id,
        pipeline_id=run.id,
        meeting_id=run.spec.get("meeting_id"),
        priority=run.spec.get("priority"),
    )
    return prepare(request, CATALOGUE, {}, broker_url=app.conf.broker_url)


def _submit(app: Celery, submission: Submission) -> None:
    try:
        send(app, submission)
    except TaskConflict:
        # submitted by an earlier try of the same step
        return


def _signature(app: Celery, submission: Submission) -> Any:
    return app.signature(
        submission.celery_name,
        kwargs=submission.kwargs,
        task_id=submission.task_id,
        queue=submission.queue,
        immutable=True,
        **submission.options,
    )
