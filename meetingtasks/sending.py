"""Sends a prepared submission: its record and its message together, by the broker or into the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from celery import Celery, Task
from celery.result import AsyncResult

from meetingtasks import idempotency, outbox
from meetingtasks.app import declare_queue, has_companion
from meetingtasks.backend import TaskStoreBackend
from meetingtasks.errors import TaskConflict
from meetingtasks.submission import Submission


def send(
    app: Celery, submission: Submission, *, task: Task[Any, Any] | None = None, recorded: bool = False, **options: Any
) -> AsyncResult[Any]:
    """Enqueue a submission: its record and its message. TaskConflict when the id is taken.

    With an idempotency key that was used before, the task of then is returned and nothing is sent.
    Of a submission that is ``recorded``, its batch sees to the record and to ids that were taken.
    """
    kept = None if recorded else outbox.of(app)
    store = cast("TaskStoreBackend", app.backend).store if kept is None else kept.sender.store
    if submission.claim is not None and not recorded:
        settled = (idempotency.settle(store, [submission]) if kept is None else kept.settle([submission]))[0]
        if isinstance(settled, TaskConflict):
            raise settled
        if isinstance(settled, idempotency.Duplicate):
            return app.AsyncResult(settled.task_id)
        submission = settled
    declare_queue(app, submission.queue)
    merged = {**submission.options, **options, "task_id": submission.task_id, "queue": submission.queue}
    if kept is not None:
        return _by_outbox(kept, app, submission, task=task, options=merged)
    joined = has_companion(app)
    if not joined and not recorded and not store.create(submission.task_id, submission.values):
        if submission.claim is not None:
            return app.AsyncResult(submission.task_id)
        raise _taken(submission)
    result = _published(app, submission, task, merged)
    # the transaction left an older record of a chosen id as it was; whose it is tells who came first
    chosen = submission.values.get("submit_id")
    if joined and not recorded and chosen and store.field(submission.task_id, "submit_id") != chosen:
        raise _taken(submission)
    return result


def _published(
    app: Celery, submission: Submission, task: Task[Any, Any] | None, options: Mapping[str, Any]
) -> AsyncResult[Any]:
    if task is not None:
        return Task.apply_async(task, (), submission.kwargs, **options)
    return app.send_task(submission.celery_name, (), submission.kwargs, **options)


def _by_outbox(
    kept: outbox.Outbox, app: Celery, submission: Submission, *, task: Task[Any, Any] | None, options: dict[str, Any]
) -> AsyncResult[Any]:
    """Publish, or keep while the broker is away; a producer that is an ``OutboxProducer`` can be asked which."""
    producer = options.pop("producer", None)
    if not isinstance(producer, outbox.OutboxProducer):
        producer = outbox.OutboxProducer(kept, producer)
    producer.claim = submission.claim
    result = _published(app, submission, task, {**options, "producer": producer})
    if producer.duplicate is not None:
        return app.AsyncResult(producer.duplicate.task_id)
    if not producer.is_first():
        raise _taken(submission)
    return result


def _taken(submission: Submission) -> TaskConflict:
    return TaskConflict(f"the task id {submission.task_id} is taken", task_id=submission.task_id)
