"""Turns the ends of tasks with a callback address into deliveries.

An end and its place among what is due are written in one step. The delivery is a task whose id follows from the end,
so that a process that dies after submitting it, or two of them at once, make one delivery.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from celery import Celery

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import BusinessError, InvalidPayload, PayloadTooLarge, TaskConflict
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskRequest
from meetingtasks.sending import send
from meetingtasks.store import keys
from meetingtasks.store.client import connect
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import TaskStore
from meetingtasks.store.webhooks import WebhookLog
from meetingtasks.submission import prepare
from meetingtasks.task_types import CATALOGUE

log = logging.getLogger(__name__)

AT_ONCE: Final = 200


class SubmitCallbacks:
    """The duty to submit a delivery for each end that is due to be told."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def run_once(self) -> int:
        """Submit what is due; returns how many ends were dealt with."""
        client = connect(self._app.conf.meetingtasks_store_url)
        due = client.zrange(keys.CALLBACKS, 0, AT_ONCE - 1, withscores=True)
        records = TaskStore(client).get_many([task_id for task_id, _ in due])
        for (task_id, ended_ms), record in zip(due, records, strict=True):
            if record is None or record.callback_url is None or not record.state.is_final:
                log.warning("the end of a task cannot be told: its record is gone", extra={"task_id": task_id})
            else:
                self._submit(record, record.callback_url, WebhookLog(client))
            load("callback_done")(client, [keys.CALLBACKS], [task_id, int(ended_ms)])
        return len(due)

    def _submit(self, record: TaskRecord, url: str, webhooks: WebhookLog) -> None:
        delivery_id = delivery_id_of(record)
        about = {"url": url, "event": event_of(record), "task_id": record.id}
        try:
            self._send(record, url, delivery_id)
        except TaskConflict:
            pass  # an earlier try has submitted it
        except BusinessError as error:
            log.exception("the end of a task cannot be told", extra={"task_id": record.id})
            about["refused"] = error.message
        webhooks.open(delivery_id, about, now_ms=SYSTEM.now_ms())

    def _send(self, record: TaskRecord, url: str, delivery_id: str) -> None:
        try:
            send(self._app, self._prepared(record, url, delivery_id, body_of(record)))
        except (InvalidPayload, PayloadTooLarge):
            # a record may hold more than a payload: the receiver asks for the result itself
            body = {**body_of(record), "result": None, "metadata": {}, "result_omitted": True}
            send(self._app, self._prepared(record, url, delivery_id, body))

    def _prepared(self, record: TaskRecord, url: str, delivery_id: str, body: dict[str, Any]) -> Any:
        payload = {"url": url, "event": event_of(record), "event_id": delivery_id, "body": body}
        request = TaskRequest(
            type="webhook_delivery",
            payload=payload if record.callback_secret is None else {**payload, "secret_ref": record.callback_secret},
            task_id=delivery_id,
            user_id=record.user_id,
            project_id=record.project_id,
            parent_task_id=record.id,
            trace_id=record.trace_id,
        )
        return prepare(request, CATALOGUE, {}, broker_url=self._app.conf.broker_url)


def event_of(record: TaskRecord) -> str:
    """Return the name of the event that a task's end is: ``task.completed``, ``task.failed`` …."""
    return f"task.{record.state.value}"


def delivery_id_of(record: TaskRecord) -> str:
    """Return the id of the one delivery of a task's end; a task that was run anew has another end."""
    return str(uuid5(NAMESPACE_URL, f"callback:{record.id}:{record.state.value}:{record.ended_ms}"))


def body_of(record: TaskRecord) -> dict[str, Any]:
    """Return what is told of a task's end."""
    error = record.error and {"code": record.error.code, "message": record.error.message}
    if error is None and record.cancel_reason:
        error = {"code": record.state.value, "message": record.cancel_reason}
    about = ("user_id", "meeting_id", "session_id", "project_id", "pipeline_id", "trace_id")
    return {
        "event": event_of(record),
        "task_id": record.id,
        "type": record.type,
        "status": record.state.value,
        "result": record.result,
        "partial": record.partial,
        "error": error,
        "attempts": record.attempt,
        "created_ms": record.created_ms,
        "ended_ms": record.ended_ms,
        "metadata": record.metadata,
        **{name: getattr(record, name) for name in about},
    }
