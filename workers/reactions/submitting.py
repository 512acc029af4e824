"""Submitting a task because of an event: once, however often the reaction is begun."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from celery import Celery

from meetingtasks.errors import TaskConflict
from meetingtasks.events import Event
from meetingtasks.requests import TaskRequest
from meetingtasks.sending import send
from meetingtasks.submission import prepare
from meetingtasks.task_types import CATALOGUE


def task_id_of(event: Event, task_type: str, occasion: str = "") -> str:
    """Return the id of the task of a type that an event leads to; ``occasion`` tells several of one type apart."""
    return str(uuid5(NAMESPACE_URL, f"{event.message_id}:{task_type}:{occasion}"))


def submit_once(
    app: Celery, event: Event, task_type: str, payload: dict[str, Any], *, occasion: str = "", **about: Any
) -> str:
    """Submit a task because of an event, unless that was done before; returns its id. ``about``: see `TaskRequest`."""
    task_id = task_id_of(event, task_type, occasion)
    given = {name: value for name, value in payload.items() if value is not None}
    request = TaskRequest(type=task_type, payload=given, task_id=task_id, trace_id=event.trace_id, **about)
    try:
        send(app, prepare(request, CATALOGUE, {}, broker_url=app.conf.broker_url))
    except TaskConflict:
        return task_id  # an earlier try of this reaction has submitted it
    return task_id
