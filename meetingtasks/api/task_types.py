"""What can be submitted: every task type with its limits and the JSON Schema of its payload; and the custom routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from meetingtasks.api.body import model_from
from meetingtasks.api.fleet import FleetOf
from meetingtasks.api.guard import FleetAdmin, TasksReader
from meetingtasks.api.problems import documented
from meetingtasks.catalogue import TaskType
from meetingtasks.errors import BusinessError
from meetingtasks.routing import ServiceRoute
from meetingtasks.states import Priority
from meetingtasks.task_types import CATALOGUE

router = APIRouter(tags=["task types"])


class TaskTypeView(BaseModel):
    """One task type of the catalogue."""

    type: str
    aliases: list[str]
    service: str
    queue_name: str
    priority: Priority
    timeout: float
    payload_schema: dict[str, Any]
    result_schema: dict[str, Any]


class RouteRow(BaseModel):
    """Where a task type goes."""

    type: str
    service: str
    queue: str
    celery_name: str


@router.get("/task-types", response_model=list[TaskTypeView], responses=documented(401, 403))
def task_types(who: TasksReader) -> list[TaskTypeView]:
    """List every task type."""
    del who
    return [_shown(one) for one in CATALOGUE]


@router.get("/task-types/{name}", response_model=TaskTypeView, responses=documented(401, 403, 404))
def task_type(name: str, who: TasksReader) -> TaskTypeView:
    """Return one task type, by its name or an alias."""
    del who
    found = CATALOGUE.find(name)
    if found is None:
        raise BusinessError(CATALOGUE.unknown(name).message, code="not_found")
    return _shown(found)


@router.get("/routes", response_model=list[RouteRow], responses=documented(401, 403, 503))
def routes(fleet: FleetOf, who: TasksReader) -> list[dict[str, str]]:
    """List where every type goes, those of custom routes included."""
    del who
    return fleet.dispatcher.get_routes()


@router.post(
    "/routes",
    status_code=201,
    response_model=ServiceRoute,
    responses=documented(400, 401, 403, 409, 413, 415, 422, 503),
)
def register(
    who: FleetAdmin, route: Annotated[ServiceRoute, Depends(model_from(ServiceRoute))], fleet: FleetOf
) -> ServiceRoute:
    """Route task types of another service to its queue; it replaces the service's earlier route."""
    del who
    return fleet.dispatcher.register_route(route)


@router.delete("/routes/{service_name}", status_code=204, responses=documented(401, 403, 404, 503))
def remove(service_name: str, fleet: FleetOf, who: FleetAdmin) -> None:
    """Remove a custom route."""
    del who
    if not fleet.dispatcher.remove_route(service_name):
        raise BusinessError(f"there is no route of {service_name!r}", code="not_found")


def _shown(one: TaskType) -> TaskTypeView:
    return TaskTypeView(
        type=one.name,
        aliases=list(one.aliases),
        service=one.service,
        queue_name=one.queue,
        priority=one.priority,
        timeout=one.hard_limit_s,
        payload_schema=one.payload.model_json_schema(),
        result_schema=one.result.model_json_schema() if one.result else {},
    )
