"""Publishes to a queue that the submitter names: any type, into any queue, as a task like all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import uuid4

from celery import Celery
from pydantic import StringConstraints

from meetingtasks.app import has_companion
from meetingtasks.errors import TaskConflict
from meetingtasks.routing import QUEUE_NAME_PATTERN, ServiceRoute
from meetingtasks.sending import send
from meetingtasks.store.tasks import TaskStore
from meetingtasks.submission import Submission, build_request, prepare
from meetingtasks.task_types import CATALOGUE

#: a task type's name, of the catalogue or of the user's own
TypeName = Annotated[str, StringConstraints(pattern=QUEUE_NAME_PATTERN)]
BATCH_LIMIT = 500


def celery_name(queue: str, task_type: str) -> str:
    """Return the name under which a type travels; a type outside the catalogue belongs to its queue."""
    known = CATALOGUE.find(task_type)
    return known.celery_name if known else ServiceRoute.celery_name(_route(queue, task_type), task_type)


def prepare_for(app: Celery, queue: str, fields: Mapping[str, Any], *, task_id: str) -> Submission:
    """Check the fields of a request that goes to ``queue`` under an id of the caller's; nothing is sent.

    Raises InvalidPayload. The id is kept as it is, whether it is a UUID or not.
    """
    # a request with an id gets the mark by which its submitter sees that the record under that id is its own
    request = build_request({**fields, "task_id": str(uuid4())})
    known = CATALOGUE.find(request.type)
    routes = {} if known and known.queue == queue else {request.type: _route(queue, request.type)}
    return replace(prepare(request, CATALOGUE, routes, broker_url=app.conf.broker_url), task_id=task_id)


def publish_all(app: Celery, store: TaskStore, submissions: Sequence[Submission]) -> None:
    """Send many, 500 to a round trip. TaskConflict names the ids that were taken; all others were accepted."""
    for start in range(0, len(submissions), BATCH_LIMIT):
        part = submissions[start : start + BATCH_LIMIT]
        with app.producer_or_acquire() as producer, producer.batch(max_size=BATCH_LIMIT):
            for submission in part if has_companion(app) else _recorded(store, part):
                send(app, _unchecked(submission), producer=producer, recorded=True)
    taken = _not_ours(store, submissions)
    if taken:
        raise TaskConflict(f"{len(taken)} ids are taken: {', '.join(taken[:3])}", task_ids=taken)


def _recorded(store: TaskStore, submissions: Sequence[Submission]) -> Iterable[Submission]:
    created = store.create_many({submission.task_id: submission.values for submission in submissions})
    return [submission for submission, is_new in zip(submissions, created, strict=True) if is_new]


def _unchecked(submission: Submission) -> Submission:
    # send() would ask for each record alone, before the batch that makes it has gone
    values = {name: value for name, value in submission.values.items() if name != "submit_id"}
    return replace(submission, values=values)


def _not_ours(store: TaskStore, submissions: Sequence[Submission]) -> list[str]:
    found = store.get_fields([submission.task_id for submission in submissions])
    pairs = zip(submissions, found, strict=True)
    return [s.task_id for s, fields in pairs if fields.get("submit_id") != s.values["submit_id"]]


def _route(queue: str, task_type: str) -> ServiceRoute:
    known = CATALOGUE.find(task_type)
    return ServiceRoute(service_name=known.service if known else queue, queue_name=queue, task_types=(task_type,))
