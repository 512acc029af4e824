"""Dead letters: what failed for good. Looked at, corrected, run again or given up; who did it is kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from meetingtasks.api.body import model_from
from meetingtasks.api.fleet import FleetOf
from meetingtasks.api.guard import DlqAdmin
from meetingtasks.api.problems import documented
from meetingtasks.api.views import TaskView
from meetingtasks.dead_letters import Group, Requeued, Where
from meetingtasks.errors import InvalidPayload
from meetingtasks.requests import Identifier, Key
from meetingtasks.routing import QueueName

router = APIRouter(prefix="/dead-letters", tags=["dead letters"])


class DeadLetterFilter(BaseModel):
    """Which letters are meant: all that is given must fit; times are of their death, in ms since 1970."""

    model_config = ConfigDict(extra="forbid")

    type: Identifier | None = None
    queue: Identifier | None = None
    error_class: Identifier | None = None
    code: Identifier | None = None
    fingerprint: Identifier | None = None
    meeting_id: Key | None = None
    since_ms: Annotated[int | None, Field(ge=0, le=2**53)] = None
    until_ms: Annotated[int | None, Field(ge=0, le=2**53)] = None

    def where(self) -> Where:
        """Return it as the platform's filter."""
        names = ("type", "queue", "error_class", "code", "fingerprint", "meeting_id", "since_ms", "until_ms")
        return Where(**{name: getattr(self, name) for name in names})


class DeadLetterQuery(DeadLetterFilter):
    """A filter and a page of what it finds."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[str | None, Field(max_length=300, description="What the page before gave")] = None


class DeadLetterPage(BaseModel):
    """Letters, the newest first; ``after`` asks for the next page, null after the last."""

    letters: list[TaskView]
    after: str | None


class NewPayload(BaseModel):
    """The corrected payload of a letter."""

    model_config = ConfigDict(extra="forbid")

    payload: dict[str, Any]


class RequeueRequest(BaseModel):
    """Which letters are to run again: those that fit, at most ``limit``, in their own queues or in another."""

    model_config = ConfigDict(extra="forbid")

    where: DeadLetterFilter = DeadLetterFilter()
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    queue: QueueName | None = None


class RequeuedLetters(BaseModel):
    """The tasks that run again, and why others stay."""

    task_ids: list[str]
    refused: dict[str, str]


class PurgedLetters(BaseModel):
    """How many letters were given up."""

    purged: int


@router.get("", response_model=DeadLetterPage, responses=documented(401, 403, 422, 503))
def find(fleet: FleetOf, who: DlqAdmin, query: Annotated[DeadLetterQuery, Query()]) -> DeadLetterPage:
    """List the newest letters that fit, a page at a time."""
    del who
    page = fleet.dispatcher.dead_letters.find(query.where(), limit=query.limit, after=query.after)
    return DeadLetterPage(letters=[TaskView.of(record) for record in page.letters], after=page.after)


@router.get("/groups", response_model=list[Group], responses=documented(401, 403, 503))
def groups(fleet: FleetOf, who: DlqAdmin) -> list[Group]:
    """List the kinds of failures, the most frequent first."""
    del who
    return fleet.dispatcher.dead_letters.groups()


@router.post("/requeue", response_model=RequeuedLetters, responses=documented(400, 401, 403, 413, 415, 422, 503))
def requeue_matching(
    who: DlqAdmin, body: Annotated[RequeueRequest, Depends(model_from(RequeueRequest))], fleet: FleetOf
) -> RequeuedLetters:
    """Run the letters that fit again, the oldest first."""
    letters = fleet.dispatcher.dead_letters
    return _shown(letters.requeue_matching(body.where.where(), actor=who.name, limit=body.limit, queue=body.queue))


@router.get("/{task_id}", response_model=TaskView, responses=documented(401, 403, 404, 409, 503))
def get(task_id: str, fleet: FleetOf, who: DlqAdmin) -> TaskView:
    """Return one letter."""
    del who
    return TaskView.of(fleet.dispatcher.dead_letters.get(task_id))


@router.patch("/{task_id}", response_model=TaskView, responses=documented(400, 401, 403, 404, 409, 413, 415, 422, 503))
def edit(
    who: DlqAdmin, task_id: str, body: Annotated[NewPayload, Depends(model_from(NewPayload))], fleet: FleetOf
) -> TaskView:
    """Correct a letter's payload, which must fit its type; it stays a letter until it is requeued."""
    return TaskView.of(fleet.dispatcher.dead_letters.edit(task_id, body.payload, actor=who.name))


@router.post("/{task_id}/requeue", response_model=RequeuedLetters, responses=documented(401, 403, 404, 409, 503))
def requeue(task_id: str, fleet: FleetOf, who: DlqAdmin) -> RequeuedLetters:
    """Run one letter again in its own queue; its earlier attempts stay on record."""
    done = fleet.dispatcher.dead_letters.requeue([task_id], actor=who.name)
    for problem in done.refused.values():
        raise problem
    return _shown(done)


@router.delete("/{task_id}", response_model=PurgedLetters, responses=documented(401, 403, 404, 409, 422, 503))
def purge(
    task_id: str, fleet: FleetOf, who: DlqAdmin, confirm: Annotated[str, Query(max_length=200)] = ""
) -> PurgedLetters:
    """Give one letter up; ``confirm`` must repeat its id."""
    letters = fleet.dispatcher.dead_letters
    letters.get(task_id)
    if confirm != task_id:
        raise InvalidPayload(f"say that you mean it: ?confirm={task_id}", fields=[])
    return PurgedLetters(purged=letters.purge([task_id], actor=who.name))


def _shown(done: Requeued) -> RequeuedLetters:
    refused = {task_id: problem.message for task_id, problem in done.refused.items()}
    return RequeuedLetters(task_ids=list(done.task_ids), refused=refused)
