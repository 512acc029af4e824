"""Runs: a recording in, by reference or as an upload; stages and files out. A run goes by the id of its task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from meetingtasks.access import Principal
from meetingtasks.api.body import describes, model_from, read_object
from meetingtasks.api.fleet import Fleet, FleetOf
from meetingtasks.api.guard import TasksCanceller, TasksReader, TasksSubmitter
from meetingtasks.api.problems import documented
from meetingtasks.api.tasks import Cancelled, IdempotencyKey, cancel, own, request_of
from meetingtasks.api.uploads import FILE_PART, REQUEST_PART, Uploads
from meetingtasks.api.views import ErrorView
from meetingtasks.clock import to_datetime
from meetingtasks.errors import BusinessError, InvalidPayload, TaskNotFound
from meetingtasks.payloads.meeting import ProcessRecordingPayload
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskResponse
from meetingtasks.reruns import TYPE, rerun_request
from meetingtasks.states import Priority, TaskState
from meetingtasks.store.runs import STAGE_WEIGHTS, RunRecord, Stage

router = APIRouter(prefix="/runs", tags=["runs"])

StageName = Literal["ingest", "denoise", "split", "transcribe", "emotion", "minutes", "notify"]
FileName = Literal["transcript", "minutes"]
#: a file's name → what a run's result calls its address
_FILES: Final[Mapping[FileName, str]] = {"transcript": "transcript_url", "minutes": "minutes_url"}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILE_PART],
                    "properties": {
                        REQUEST_PART: {"type": "string", "description": "The JSON body, without audio_files"},
                        FILE_PART: {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


class RunRequest(ProcessRecordingPayload):
    """A recording to be made into a transcript and minutes."""

    priority: Annotated[Priority | None, Field(description="Default: the type's own; a number from 0 to 1000, too")] = (
        None
    )


class StageView(BaseModel):
    """How far one stage is, in parts; stopped: its run ended while it was running."""

    name: StageName
    state: Literal["waiting", "running", "done", "skipped", "stopped"]
    done: int
    total: int
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """Show a stage."""
        return cls.model_validate(
            {
                **{name: getattr(stage, name) for name in ("name", "state", "done", "total")},
                "started_at": _moment(stage.started_ms),
                "ended_at": _moment(stage.ended_ms),
            }
        )


class RunView(BaseModel):
    """One run; ``files``: what can be had, by the path under which it is."""

    run_id: str
    status: TaskState
    percent: float
    message: str
    eta_s: float | None
    stages: list[StageView]
    coverage: float | None
    partial: bool
    no_speech: bool
    files: dict[FileName, str]
    error: ErrorView | None
    user_id: int | str | None
    meeting_id: int | str | None
    created_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, task: TaskRecord, run: RunRecord | None) -> Self:
        """Show a run; ``run`` is None until it has begun."""
        outcome = task.result if isinstance(task.result, Mapping) else {}
        stages = run.stages if run else tuple(Stage(name=name, state="waiting") for name in STAGE_WEIGHTS)
        return cls(
            run_id=task.id,
            status=task.state,
            percent=max(task.progress.percent, run.percent if run else 0.0),
            message=run.message if run else "",
            eta_s=run.eta_s if run and not task.state.is_final else None,
            stages=[StageView.of(stage) for stage in stages],
            coverage=outcome.get("coverage"),
            partial=task.partial,
            no_speech=bool(outcome.get("no_speech")),
            files={name: f"/api/v1/runs/{task.id}/files/{name}" for name, key in _FILES.items() if outcome.get(key)},
            error=None if task.error is None else ErrorView.of(task.error),
            user_id=task.user_id,
            meeting_id=task.meeting_id,
            created_at=_moment(task.created_ms),
            ended_at=_moment(task.ended_ms),
        )


class RunAccepted(BaseModel):
    """A run that was accepted; ``duplicate``: the same Idempotency-Key has made it before."""

    run_id: str
    status: TaskState
    duplicate: bool = False


class RerunRequest(BaseModel):
    """From where a run is to be done again."""

    model_config = ConfigDict(extra="forbid")

    from_stage: StageName


@router.post(
    "",
    status_code=201,
    response_model=RunAccepted,
    responses=documented(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_UPLOAD,
    dependencies=[describes(RunRequest)],
)
async def submit(
    who: TasksSubmitter, fleet: FleetOf, request: Request, response: Response, idempotency_key: IdempotencyKey = None
) -> RunAccepted:
    """Start a run, by JSON with references or by multipart/form-data with files. 201 with its id at once."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        fields = await read_object(request)
        answer = await run_in_threadpool(_start, fleet, who, fields, idempotency_key)
    else:
        settings = fleet.settings
        with Uploads(settings.storage_root, owner=who.name, max_bytes=settings.api_upload_max_bytes) as uploads:
            await uploads.read(request)
            fields = _with_files(uploads)
            answer = await run_in_threadpool(_start, fleet, who, fields, idempotency_key)
    return _accepted(answer, response)


@router.get("", response_model=list[RunView], responses=documented(401, 403, 422, 429, 503))
def recent(who: TasksReader, fleet: FleetOf, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[RunView]:
    """List the newest runs that have begun, the newest first."""
    found: list[RunView] = []
    ids = fleet.runs.recent_ids(limit if who.user_id is None else 1000)
    for run_id in ids:
        task = fleet.dispatcher.store.get(run_id)
        if task is not None and who.sees(task):
            found.append(RunView.of(task, fleet.runs.get(run_id)))
        if len(found) == limit:
            break
    return found


@router.get("/{run_id}", response_model=RunView, responses=documented(401, 403, 404, 429, 503))
def get(run_id: str, who: TasksReader, fleet: FleetOf) -> RunView:
    """Return everything about a run."""
    return look(fleet, who, run_id)


@router.get(
    "/{run_id}/files/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"application/json": {}}}, **documented(401, 403, 404, 422, 429, 503)},
)
def file(run_id: str, name: FileName, who: TasksReader, fleet: FleetOf) -> FileResponse:
    """Return the transcript or the minutes as JSON."""
    task = _own_run(fleet, who, run_id)
    outcome = task.result if isinstance(task.result, Mapping) else {}
    path = _stored(fleet.settings.storage_root, str(outcome.get(_FILES[name]) or ""))
    if path is None:
        raise BusinessError(f"run {run_id} has no {name} (it is {task.state})", code="not_found")
    return FileResponse(path, media_type="application/json")


@router.delete("/{run_id}", response_model=Cancelled, responses=documented(401, 403, 404, 409, 429, 503))
def cancel_run(run_id: str, who: TasksCanceller, fleet: FleetOf, request: Request) -> Cancelled:
    """Cancel a run with all of its stages; what is done is kept for a rerun."""
    _own_run(fleet, who, run_id)
    return cancel(run_id, who, fleet, request)


@router.post(
    "/{run_id}/rerun",
    status_code=201,
    response_model=RunAccepted,
    responses=documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
)
def rerun(
    run_id: str,
    who: TasksSubmitter,
    wanted: Annotated[RerunRequest, Depends(model_from(RerunRequest))],
    fleet: FleetOf,
    response: Response,
) -> RunAccepted:
    """Start a new run that keeps the stages of an ended one before ``from_stage``; the old one stays as it is."""
    old = _own_run(fleet, who, run_id)
    return _accepted(fleet.dispatcher.dispatch(rerun_request(old, wanted.from_stage)), response)


def look(fleet: Fleet, who: Principal, run_id: str) -> RunView:
    """Return a run that the caller may see; TaskNotFound for others'."""
    task = _own_run(fleet, who, run_id)
    return RunView.of(task, fleet.runs.get(run_id))


def _own_run(fleet: Fleet, who: Principal, run_id: str) -> TaskRecord:
    task = own(fleet, who, run_id)
    if task.type != TYPE:
        raise TaskNotFound(f"there is no run {run_id!r}", task_id=run_id)
    return task


def _start(fleet: Fleet, who: Principal, fields: Mapping[str, Any], idempotency_key: str | None) -> TaskResponse:
    payload = dict(fields)
    request: dict[str, Any] = {"type": TYPE}
    for name in ("priority", "meeting_id", "user_id"):
        value = payload.pop(name, None) if name == "priority" else payload.get(name)
        if value is not None:
            request[name] = value
    return fleet.dispatcher.dispatch(request_of({**request, "payload": payload}, who, idempotency_key))


def _with_files(uploads: Uploads) -> dict[str, Any]:
    given = uploads.body.keys() & {"audio_files", "recording_id"}
    if given:
        problem = "comes with the upload itself"
        raise InvalidPayload(f"{min(given)} {problem}", fields=[{"field": f"/{min(given)}", "problem": problem}])
    names = [stored.filename for stored in uploads.files]
    urls = [stored.url for stored in uploads.files]
    return {"original_filenames": names, **uploads.body, "audio_files": urls}


def _accepted(answer: TaskResponse, response: Response) -> RunAccepted:
    response.headers["Location"] = f"/api/v1/runs/{answer.task_id}"
    if answer.duplicate:
        response.status_code = 200
    return RunAccepted(run_id=answer.task_id, status=answer.status, duplicate=answer.duplicate)


def _stored(root: Path, reference: str) -> Path | None:
    """Return the file of a reference that our own workers have written, if it is still under the root."""
    parts = urlsplit(reference)
    path = Path(unquote(parts.path)).resolve()
    inside = parts.scheme == "file" and path.is_relative_to(root.resolve())
    return path if inside and path.is_file() else None


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else to_datetime(ms)
