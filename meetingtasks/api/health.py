"""Whether this process lives, and whether it can do its work; open to all, and says no more than that."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from meetingtasks.api.fleet import FleetOf
from meetingtasks.api.guard import open_to_all
from meetingtasks.errors import BrokerUnavailable

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """The state of this process, or of the broker as it sees it."""

    status: Literal["ok", "buffering", "broker_away"]


@router.get("/live", response_model=Health)
@open_to_all
def live() -> Health:
    """Answer as long as the process works."""
    return Health(status="ok")


@router.get("/ready", response_model=Health, responses={503: {"model": Health}})
@open_to_all
def ready(fleet: FleetOf, response: Response) -> Health:
    """Answer 200 while submissions are accepted: by the broker, or (``buffering``) by this machine's outbox."""
    try:
        fleet.dispatcher.get_stats()
    except BrokerUnavailable:
        if fleet.dispatcher.outbox is not None:
            return Health(status="buffering")
        response.status_code = 503
        return Health(status="broker_away")
    return Health(status="ok")
