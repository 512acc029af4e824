"""Queues: what waits in them and what is in work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from meetingtasks.api.fleet import FleetOf
from meetingtasks.api.guard import QueuesAdmin
from meetingtasks.api.problems import documented
from meetingtasks.errors import InvalidPayload

router = APIRouter(prefix="/queues", tags=["queues"])


class QueueRow(BaseModel):
    """One queue's figures; those that wait for a planned time are ``delayed_count``, for a cap ``capped_count``."""

    queue: str
    service: str
    critical_pending: int
    high_pending: int
    normal_pending: int
    low_pending: int
    delayed_count: int
    capped_count: int
    processing_count: int
    dead_letter_count: int
    queue_length: int
    oldest_age_s: float | None


class WaitingMessage(BaseModel):
    """One of the next messages of a queue."""

    position: int
    task_id: str
    type: str | None
    priority: str
    meeting_key: str | None
    enqueued_ms: int
    deliveries: int


class Purged(BaseModel):
    """How many messages went; their tasks are cancelled."""

    purged: int


@router.get("", response_model=list[QueueRow], responses=documented(401, 403, 503))
def queues(fleet: FleetOf, who: QueuesAdmin) -> list[dict[str, object]]:
    """List every queue."""
    del who
    return fleet.queues.all()


@router.get("/{queue_name}", response_model=QueueRow, responses=documented(401, 403, 404, 503))
def queue(queue_name: str, fleet: FleetOf, who: QueuesAdmin) -> dict[str, object]:
    """Return one queue's figures."""
    del who
    return fleet.queues.show(queue_name)


@router.get("/{queue_name}/next", response_model=list[WaitingMessage], responses=documented(401, 403, 404, 422, 503))
def peek(
    queue_name: str, fleet: FleetOf, who: QueuesAdmin, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> list[dict[str, object]]:
    """Return the next messages in the order in which they will start; none is taken."""
    del who
    return fleet.queues.peek(queue_name, limit)


@router.delete("/{queue_name}/messages", response_model=Purged, responses=documented(401, 403, 404, 422, 503))
def purge(queue_name: str, fleet: FleetOf, who: QueuesAdmin, confirm: Annotated[str, Query()] = "") -> Purged:
    """Drop everything that waits in a queue and cancel its tasks; ``confirm`` must repeat the queue's name."""
    del who
    if confirm != queue_name:
        raise InvalidPayload(f"say that you mean it: ?confirm={queue_name}", fields=[])
    return Purged(purged=fleet.queues.purge(queue_name))
