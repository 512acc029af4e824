"""Tasks as the API shows them: the earlier systems' names, times as RFC 3339 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from meetingtasks.clock import to_datetime
from meetingtasks.records import Attempt, Progress, TaskError, TaskRecord
from meetingtasks.states import Priority, TaskState


class ProgressView(BaseModel):
    """How far a task is; the percent never falls within an attempt."""

    percent: Annotated[float, Field(ge=0, le=100)]
    step: str
    completed_steps: int
    total_steps: int
    message: str
    updated_at: datetime | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Show a progress."""
        return cls(
            percent=progress.percent,
            step=progress.step,
            completed_steps=progress.completed_steps,
            total_steps=progress.total_steps,
            message=progress.message,
            updated_at=_moment(progress.updated_ms),
        )


class AttemptView(BaseModel):
    """One run of a task."""

    attempt: int
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    error: str

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Show an attempt."""
        return cls(
            attempt=attempt.attempt,
            worker=attempt.worker,
            started_at=_moment(attempt.started_ms),
            ended_at=_moment(attempt.ended_ms),
            outcome=attempt.outcome,
            error=attempt.error,
        )


class ErrorView(BaseModel):
    """Why a task failed; without its traceback, which operators see by other ways."""

    code: str
    message: str
    details: dict[str, Any]
    retryable: bool

    @classmethod
    def of(cls, error: TaskError) -> Self:
        """Show an error."""
        return cls(
            code=error.code,
            message=error.message,
            details=error.details,
            retryable=error.error_class != "business",
        )


class TaskView(BaseModel):
    """One task."""

    task_id: str
    task_type: str
    service: str
    queue_name: str
    priority: Priority
    status: TaskState
    progress: ProgressView
    payload: Any
    result: Any
    error: ErrorView | None
    partial: bool
    dead: bool
    retry_count: int
    max_retries: int | None
    timeout: float | None
    user_id: int | str | None
    meeting_id: int | str | None
    session_id: str | None
    project_id: int | str | None
    pipeline_id: str | None
    parent_task_id: str | None
    trace_id: str | None
    created_at: datetime | None
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    attempts: list[AttemptView]

    @classmethod
    def of(cls, record: TaskRecord) -> Self:
        """Show a record."""
        plain = (
            *("priority", "payload", "result", "partial", "dead", "max_retries", "user_id", "meeting_id"),
            *("session_id", "project_id", "pipeline_id", "parent_task_id", "trace_id", "service"),
        )
        return cls(
            **{name: getattr(record, name) for name in plain},
            task_id=record.id,
            task_type=record.type,
            queue_name=record.queue,
            status=record.state,
            progress=ProgressView.of(record.progress),
            error=None if record.error is None else ErrorView.of(record.error),
            retry_count=record.retries,
            timeout=record.timeout_s,
            created_at=_moment(record.created_ms),
            scheduled_at=_moment(record.eta_ms),
            started_at=_moment(record.started_ms),
            completed_at=_moment(record.ended_ms),
            attempts=[AttemptView.of(attempt) for attempt in record.attempts],
        )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else to_datetime(ms)
