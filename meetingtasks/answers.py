"""What callers are told: a task's record as a response, and a broker's failure as one error."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from meetingtasks.errors import BrokerUnavailable, MeetingTasksError, TaskFailed
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState

#: what the libraries that speak with the broker raise when it does not answer, or refuses
BROKER_ERRORS = (RedisError, OperationalError, ConnectionError)


def response_of(record: TaskRecord) -> TaskResponse:
    """Return what a caller is told about a record."""
    error = None
    if record.error is not None:
        error = {
            "code": record.error.code,
            "message": record.error.message,
            "details": record.error.details,
            "retryable": record.error.error_class != "business",
        }
    elif record.state.is_final and record.state is not TaskState.COMPLETED:
        why = record.cancel_reason or f"the task is {record.state}"
        error = {"code": record.state.value, "message": why, "details": {}, "retryable": False}
    return TaskResponse(task_id=record.id, status=record.state, result=record.result, error=error)


def refused(error: MeetingTasksError) -> TaskResponse:
    """Return what the caller of a batch is told about an item that was not accepted."""
    return TaskResponse(task_id="", status=TaskState.FAILED, error=error.body())


def completed_result(record: TaskRecord) -> Any:
    """Return the result of a task that has ended; TaskFailed when it did not complete."""
    if record.state is TaskState.COMPLETED:
        return record.result
    error = response_of(record).error or {}
    raise TaskFailed(
        f"task {record.id} ended as {record.state}: {error.get('message', '')}", code=error.get("code"), error=error
    )


def unavailable(error: BaseException) -> BrokerUnavailable:
    """Return what a caller is told of a connection's failure."""
    if isinstance(error, ResponseError) or isinstance(error.__cause__, ResponseError):
        full = "disk full on the broker: " if "No space left" in str(error) else ""
        return BrokerUnavailable(f"the broker refuses this: {full}{error}")
    return BrokerUnavailable(f"the broker does not answer: {error}")


class translated:  # noqa: N801 - reads as a word in a with statement
    """Turns a connection's failure into BrokerUnavailable."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, BROKER_ERRORS):
            raise unavailable(exc) from exc
