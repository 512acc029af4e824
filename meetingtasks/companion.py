"""The task store as the broker's companion: a message and its task's record change in one transaction.

Every command is harmless when repeated: a record is made once, a retry is planned once, a final state stays.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from celery import states as celery_states
from redis.client import Pipeline

from meetingtasks import aftermath
from meetingtasks.broker import envelope
from meetingtasks.broker.scripts import join
from meetingtasks.clock import SYSTEM
from meetingtasks.failures import fingerprint
from meetingtasks.lifecycle import values_of
from meetingtasks.records import TaskError
from meetingtasks.settings import current
from meetingtasks.states import ErrorClass, TaskState
from meetingtasks.store.client import TextReplies
from meetingtasks.store.dead_letters import carried_by
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import End, TaskStore
from meetingtasks.submission import RECORD_HEADER, RETRY_HEADER, eta_ms_of, task_id_of

DEAD_REASONS = {
    "worker_lost": "its worker died each time it ran",
    "rejected": "its worker gave it up",
    "unknown_type": "no worker knew its task type",
}


class StoreCompanion:
    """Joins a message's moves with its task's record."""

    def __init__(self) -> None:
        for name in ("create", "retry", "finish", "owe"):
            join(name, load(name).source)
        settings = current()
        self._store = TaskStore(None, record_ttl_s=settings.record_ttl_s, stream_length=settings.event_stream_length)

    def on_enqueue(self, pipe: Pipeline, message: dict[str, Any]) -> None:
        """Make the record of an accepted task, or plan its retry."""
        headers = message["headers"]
        task_id, name = headers.get("id"), headers.get("task")
        if not isinstance(task_id, str) or not isinstance(name, str):
            return  # not a task
        brought = headers.pop(RECORD_HEADER, None)
        eta_ms = eta_ms_of(headers.get("eta"))
        retries = int(headers.get("retries") or 0)
        if retries:
            failed = headers.pop(RETRY_HEADER, None) or {}
            why, token = str(failed.get("why", "")), str(failed.get("token", ""))
            self._store.retry(task_id, retries, token=token, eta_ms=eta_ms, why=why, pipe=pipe)
            return
        queue = str(message.get("properties", {}).get("delivery_info", {}).get("routing_key") or "")
        values = brought if isinstance(brought, dict) else values_of(name, queue=queue, kwargs=None)
        state = TaskState.PENDING if eta_ms is None or eta_ms <= SYSTEM.now_ms() else TaskState.SCHEDULED
        # a task that others wait for in a chord must be looked at by a worker even when it was cancelled
        facts = {"state": state.value, "eta_ms": eta_ms, "group": headers.get("group")}
        self._store.create(task_id, {**values, **facts}, parent=headers.get("parent_id"), pipe=pipe)

    def on_dead(self, pipe: Pipeline, message: dict[str, Any], reason: str) -> None:
        """End the task of a message that the broker gives up; it becomes a dead letter."""
        task_id = _task_id(message)
        if task_id is not None:
            aftermath.owe(pipe, message)
            text = DEAD_REASONS.get(reason, reason)
            code, name = reason.partition(":")[0], str(message["headers"].get("task"))
            error = TaskError(
                code=code,
                error_class=ErrorClass.TRANSIENT.value,
                message=text,
                fingerprint=fingerprint(name, code),
            )
            refused = {"exc_type": "WorkerLostError", "exc_module": "billiard.exceptions", "exc_message": [text]}
            meta = _meta(task_id, celery_states.FAILURE, refused)
            args, kwargs, embedded = _body(message)
            end = End(
                state=TaskState.FAILED,
                error=error,
                meta=meta,
                dead=True,
                payload=kwargs,
                carried=carried_by({**message["headers"], **embedded, "args": args}),
                number=_number(message),
            )
            self._store.finish(task_id, "", end, pipe=pipe)

    def on_expired(self, pipe: Pipeline, message: dict[str, Any]) -> None:
        """End the task of a message whose start-by time has passed."""
        task_id = _task_id(message)
        if task_id is not None:
            aftermath.owe(pipe, message)
            refused = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions", "exc_message": ["expired"]}
            meta = _meta(task_id, celery_states.REVOKED, refused)
            end = End(state=TaskState.EXPIRED, meta=meta, number=_number(message))
            self._store.finish(task_id, "", end, pipe=pipe)

    def before_purge(self, client: Any, ids: list[str]) -> None:
        """End the tasks of waiting messages that an operator is about to drop; ``client`` is the broker's."""
        # a companion is there only where the records are on the broker's own server, whichever that is
        settings = current()
        ttl_s, length = settings.record_ttl_s, settings.event_stream_length
        store = TaskStore(TextReplies(client), record_ttl_s=ttl_s, stream_length=length)
        for message_id in ids:
            store.cancel(task_id_of(message_id), reason="purged", only_waiting=True)


def time_limit_of(headers: dict[str, Any]) -> float | None:
    """Return a message's hard limit in seconds: a lease is not renewed for longer."""
    limits = headers.get("timelimit")
    return limits[0] if isinstance(limits, list) and limits else None


def _task_id(message: dict[str, Any]) -> str | None:
    task_id = message.get("headers", {}).get("id")
    return task_id if isinstance(task_id, str) else None


def _number(message: dict[str, Any]) -> int:
    retries = message.get("headers", {}).get("retries")
    return retries if isinstance(retries, int) else 0


def _body(message: dict[str, Any]) -> tuple[list[Any], Any, dict[str, Any]]:
    """Return a message's arguments, keywords and callbacks; nothing of one that is malformed."""
    if isinstance(message.get("properties"), dict) and isinstance(message.get("body"), str):
        with suppress(envelope.Malformed):
            args, kwargs, embedded = envelope.check_task(message, ("application/json",))
            return args, kwargs, embedded
    return [], None, {}


def _meta(task_id: str, status: str, result: Any) -> str:
    meta = {"status": status, "result": result, "traceback": None, "children": [], "task_id": task_id}
    return json.dumps(meta, ensure_ascii=False)


COMPANION = StoreCompanion()
