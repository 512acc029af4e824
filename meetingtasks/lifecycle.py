"""The life of an attempt as a list of steps: start, run, and one of completed, retrying, failed, timeout, cancelled.

What happens when the process dies:

* before ``start``: the message comes back, nothing was recorded;
* between ``start`` and the end: the message comes back, the next start marks this attempt *lost*;
* after the end was recorded and before the message was acknowledged: it comes back once, is refused, and acknowledged.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from meetingtasks import failures
from meetingtasks.catalogue import TaskType
from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.errors import InvalidResult, PayloadTooLarge
from meetingtasks.records import TaskRecord
from meetingtasks.retry import Backoff, GiveUp, RetryAt, RetryBudget, decide
from meetingtasks.settings import Settings, current
from meetingtasks.states import ErrorClass, TaskState
from meetingtasks.store.tasks import Refused, Run, TaskStore
from meetingtasks.submission import RECORD_HEADER
from meetingtasks.task_types import CATALOGUE


@dataclass(frozen=True)
class Started:
    """An attempt that may run: its record and the token that lets it report."""

    record: TaskRecord
    token: str


def start(store: TaskStore, request: Any, kwargs: dict[str, Any]) -> Started | Refused:
    """Ask for the right to run the message's task now."""
    run = Run(token=uuid4().hex, worker=request.hostname or "", pid=os.getpid())
    record = store.start(request.id, run, retries=request.retries or 0, otherwise=first_values(request, kwargs))
    return record if isinstance(record, Refused) else Started(record, run.token)


def first_values(request: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the first values of a record for a message that brought none along."""
    brought = getattr(request, RECORD_HEADER, None) or (request.headers or {}).get(RECORD_HEADER)
    if isinstance(brought, dict):
        return {**brought, "state": TaskState.PENDING.value}
    delivery = request.delivery_info or {}
    return values_of(str(request.task), queue=str(delivery.get("routing_key") or ""), kwargs=kwargs)


def values_of(celery_name: str, *, queue: str, kwargs: Any) -> dict[str, Any]:
    """Return the first values of a record that is known by its Celery name alone."""
    task_type = CATALOGUE.find(celery_name)
    return {
        "type": task_type.name if task_type else celery_name,
        "name": celery_name,
        "service": task_type.service if task_type else "",
        "queue": queue or (task_type.queue if task_type else ""),
        "priority": (task_type.priority if task_type else "normal"),
        "state": TaskState.PENDING.value,
        "payload": kwargs,
    }


def plain_result(result: Any, *, limit_bytes: int) -> Any:
    """Return a task's result as JSON values; InvalidResult or PayloadTooLarge when it cannot be kept so."""
    plain = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    try:
        size_bytes = len(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(f"the task's result is no JSON: {failures.readable(str(error))}") from error
    if size_bytes > limit_bytes:
        message = f"the task's result has {size_bytes} bytes, above {limit_bytes}; store it and return a reference"
        raise PayloadTooLarge(message, size_bytes=size_bytes, limit_bytes=limit_bytes)
    return plain


def limits_of(request: Any, record: TaskRecord) -> dict[str, Any]:
    """Return the limits of an attempt that begins now, as `AttemptLimits` takes them."""
    hard_s, soft_s = request.timelimit or (None, None)
    task_type = CATALOGUE.find(record.type)
    left_s = None
    if record.deadline_ms is not None and record.started_ms is not None:
        left_s = (record.deadline_ms - record.started_ms) / 1000  # from the server's clock to the server's clock
    heartbeat_s = record.heartbeat_s or (task_type.heartbeat_s if task_type else None)
    return {"soft_s": soft_s, "hard_s": hard_s, "heartbeat_s": heartbeat_s, "left_s": left_s}


def after_failure(
    error: Exception, record: TaskRecord, *, settings: Settings | None = None, clock: Clock = SYSTEM
) -> RetryAt | GiveUp:
    """Decide whether the failed attempt is followed by another one, and when."""
    settings = settings or current()
    task_type = CATALOGUE.find(record.type)
    error_class = failures.classify(error)
    if failures.final_state(error) is TaskState.CANCELLED:
        return GiveUp("business error")
    if failures.final_state(error) is TaskState.TIMEOUT:
        error_class = ErrorClass.NETWORK  # retried only where the type has network retries
    return decide(
        error_class,
        record.retry_count,
        budget=task_type.retries if task_type else RetryBudget(),
        max_retries=record.max_retries,
        backoff=_backoff(record, task_type, settings),
        retry_after_s=failures.retry_after_s(error),
        seconds_left=None if record.expires_ms is None else (record.expires_ms - clock.now_ms()) / 1000,
    )


def _backoff(record: TaskRecord, task_type: TaskType | None, settings: Settings) -> Backoff:
    """Return how a task's delays grow: as its type says, or the settings; the submitter chooses the policy."""
    backoff = task_type.backoff if task_type else None
    if backoff is None:
        backoff = Backoff(
            policy=settings.retry_policy,
            base_s=settings.retry_base_s,
            cap_s=settings.retry_cap_s,
            jitter=settings.retry_jitter,
            resource_s=settings.retry_resource_s,
        )
    return backoff if record.retry_policy is None else replace(backoff, policy=record.retry_policy)
