"""How long the lease of a task that runs is to be kept: a limit that the task has moved moves its lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.worker import state

from meetingtasks.limits.guard import GUARD
from meetingtasks.limits.pool_process import GUARDIAN


def end_of(headers: Mapping[str, Any]) -> float | None:
    """Return when the task of a message must have ended, by the monotonic clock; None: nobody here says so."""
    task_id = str(headers.get("id"))
    if not GUARDIAN.is_on:
        return GUARD.end_at_s(task_id)
    request = state.requests.get(task_id)
    pid = getattr(request, "worker_pid", None)
    return None if pid is None else GUARDIAN.end_at_s(pid)
