"""Tasks: submit, look, cancel. A caller that stands for one user sees only that user's; others' are not found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from meetingtasks.access import Principal
from meetingtasks.api.body import model_from, object_from
from meetingtasks.api.fleet import Fleet, FleetOf
from meetingtasks.api.guard import TasksCanceller, TasksReader, TasksSubmitter
from meetingtasks.api.problems import documented
from meetingtasks.api.views import ProgressView, TaskView
from meetingtasks.errors import BusinessError, Forbidden, InvalidPayload, MeetingTasksError, TaskConflict, TaskNotFound
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskRequest, TaskResponse
from meetingtasks.routing import from_http_number
from meetingtasks.states import TaskState

router = APIRouter(prefix="/tasks", tags=["tasks"])

_LARGEST_PRIORITY: Final = 1000
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", description="Makes a repeat harmless for 24 h")]
Body = Annotated[Mapping[str, Any], Depends(object_from(TaskRequest))]


class Accepted(BaseModel):
    """A task that was accepted; ``buffered``: kept on the server's disk until the broker is back."""

    task_id: str
    status: TaskState
    duplicate: bool = False


class BatchRequest(BaseModel):
    """Tasks to be submitted together."""

    model_config = ConfigDict(extra="forbid")

    tasks: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500, description="1-500 TaskRequests")]


class BatchItem(BaseModel):
    """What became of one of them: an accepted task, or an error."""

    task_id: str | None = None
    status: TaskState | None = None
    duplicate: bool = False
    error: dict[str, Any] | None = None


class BatchAnswer(BaseModel):
    """What became of each, in their order."""

    accepted: int
    items: list[BatchItem]


BatchBody = Annotated[BatchRequest, Depends(model_from(BatchRequest))]


class ResultView(BaseModel):
    """What a completed task came to."""

    task_id: str
    status: TaskState
    result: Any
    partial: bool


class Cancelled(BaseModel):
    """``cancelled``: it never starts; ``running``: it was told to stop and ends as cancelled."""

    task_id: str
    status: str


@router.post("", status_code=201, response_model=Accepted, responses=documented(400, 401, 403, 409, 413, 415, 422, 503))
def submit(
    who: TasksSubmitter, body: Body, fleet: FleetOf, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Submit a task. 201 with its id; 200 when the same Idempotency-Key has made it before."""
    answer = fleet.dispatcher.dispatch(request_of(body, who, idempotency_key))
    response.headers["Location"] = f"/api/v1/tasks/{answer.task_id}"
    if answer.duplicate:
        response.status_code = 200
    return accepted(answer)


@router.post("/batch", response_model=BatchAnswer, responses=documented(400, 401, 403, 413, 415, 422, 503))
def submit_batch(who: TasksSubmitter, body: BatchBody, fleet: FleetOf) -> BatchAnswer:
    """Submit 1-500 tasks; a bad one gets an error and does not hold up the others."""
    requests = [_of_batch(one, who) for one in body.tasks]
    good = [one for one in requests if not isinstance(one, MeetingTasksError)]
    sent = iter(fleet.dispatcher.dispatch_batch(good) if good else [])
    items = [
        BatchItem(error=one.body()) if isinstance(one, MeetingTasksError) else _item(next(sent)) for one in requests
    ]
    return BatchAnswer(accepted=sum(item.error is None for item in items), items=items)


@router.get("/{task_id}", response_model=TaskView, responses=documented(401, 403, 404, 503))
def get(task_id: str, who: TasksReader, fleet: FleetOf) -> TaskView:
    """Return everything about a task."""
    return TaskView.of(own(fleet, who, task_id))


@router.get("/{task_id}/progress", response_model=ProgressView, responses=documented(401, 403, 404, 503))
def progress(task_id: str, who: TasksReader, fleet: FleetOf) -> ProgressView:
    """Return how far a task is."""
    return ProgressView.of(own(fleet, who, task_id).progress)


@router.get("/{task_id}/result", response_model=ResultView, responses=documented(401, 403, 404, 409, 503))
def result(task_id: str, who: TasksReader, fleet: FleetOf) -> ResultView:
    """Return a completed task's result; 409 before its end, and when it ended otherwise."""
    record = own(fleet, who, task_id)
    found = fleet.dispatcher.get_result(task_id)
    return ResultView(task_id=task_id, status=record.state, result=found, partial=record.partial)


@router.delete("/{task_id}", response_model=Cancelled, responses=documented(401, 403, 404, 409, 503))
def cancel(task_id: str, who: TasksCanceller, fleet: FleetOf, request: Request) -> Cancelled:
    """Cancel a task; a repeat is harmless, a task that has ended otherwise is a conflict."""
    own(fleet, who, task_id)
    reason = request.query_params.get("reason", "")[:200]
    standing = fleet.dispatcher.cancel(task_id, reason=reason, actor=who.name)
    if standing not in ("cancelled", "running"):
        raise TaskConflict(f"task {task_id} is already {standing}", state=standing)
    return Cancelled(task_id=task_id, status=standing)


def own(fleet: Fleet, who: Principal, task_id: str) -> TaskRecord:
    """Return a task that the caller may see; TaskNotFound for others', as for none."""
    record = fleet.dispatcher.get(task_id)
    if not who.sees(record):
        raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
    return record


def request_of(body: Mapping[str, Any], who: Principal, idempotency_key: str | None = None) -> dict[str, Any]:
    """Return the fields of a TaskRequest: priorities also by number, the user from who asks.

    Numbers are of the open-ended scale: 20 and above critical, from 10 high, from 5 normal, else low.
    """
    fields = dict(body)
    if "priority" in fields:
        fields["priority"] = _level(fields["priority"])
    if idempotency_key is not None and fields.setdefault("idempotency_key", idempotency_key) != idempotency_key:
        raise BusinessError("Idempotency-Key and idempotency_key differ", code="invalid_payload")
    if who.user_id is not None and str(fields.setdefault("user_id", who.user_id)) != who.user_id:
        raise Forbidden("user_id is another user's; leave it out", user_id=who.user_id)
    return fields


def accepted(answer: TaskResponse) -> Accepted:
    """Show an accepted task."""
    return Accepted(task_id=answer.task_id, status=answer.status, duplicate=answer.duplicate)


def _of_batch(body: Mapping[str, Any], who: Principal) -> dict[str, Any] | MeetingTasksError:
    try:
        return request_of(body, who)
    except MeetingTasksError as error:
        return error


def _item(answer: TaskResponse) -> BatchItem:
    if answer.error is not None:
        return BatchItem(error=answer.error)
    return BatchItem(task_id=answer.task_id, status=answer.status, duplicate=answer.duplicate)


def _level(priority: object) -> object:
    if isinstance(priority, int) and not isinstance(priority, bool) and 0 <= priority <= _LARGEST_PRIORITY:
        return from_http_number(priority).value
    if priority is None or not isinstance(priority, str):
        problem = "priority must be one of critical, high, normal, low, or a number from 0 to 1000"
        raise InvalidPayload(problem, fields=[{"field": "/priority", "problem": problem}])
    return priority
