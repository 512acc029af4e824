"""Every error of the platform: its code, its data and what it means for retries.

Each class carries a stable ``code`` and an ``error_class``; ``body()`` is the one shape in which every face
(Python, command line, HTTP, WebSocket) shows it.
"""

from __future__ import annotations

from typing import Any

from meetingtasks.states import ErrorClass


class MeetingTasksError(Exception):
    """Something the platform reports to its users."""

    code = "internal"
    error_class = ErrorClass.TRANSIENT

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.error_class is not ErrorClass.BUSINESS

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the other side asked to be left alone, from ``details``; None when it did not."""
        return self.details.get("retry_after_s")

    def body(self) -> dict[str, Any]:
        """Return ``{"code", "message", "details", "retryable"}``, ready for JSON."""
        return {"code": self.code, "message": self.message, "details": self.details, "retryable": self.retryable}

    def __reduce__(self) -> tuple[Any, ...]:
        # keyword data must survive the way from a pool process to the worker's main process
        return (_rebuild, (type(self), self.message, self.code, self.details))


def _rebuild(cls: type[MeetingTasksError], message: str, code: str, details: dict[str, Any]) -> MeetingTasksError:
    error = cls.__new__(cls)
    MeetingTasksError.__init__(error, message, code=code, **details)
    return error


class NetworkError(MeetingTasksError):
    """A connection, a name look-up or a remote server failed; retried 3 times."""

    code = "network"
    error_class = ErrorClass.NETWORK


class TransientError(MeetingTasksError):
    """A lock, a conflict or a starting engine; retried twice."""

    code = "transient"
    error_class = ErrorClass.TRANSIENT


class ResourceError(MeetingTasksError):
    """Memory, disk or a device is exhausted; retried once, minutes later."""

    code = "resource_exhausted"
    error_class = ErrorClass.RESOURCE


class BusinessError(MeetingTasksError):
    """The request can never succeed as it is; never retried."""

    code = "business"
    error_class = ErrorClass.BUSINESS


class SettingsError(BusinessError):
    """A setting is missing, unknown or wrong; the message names it and where it stands."""

    code = "settings_invalid"


class BrokerUnavailable(NetworkError):
    """The broker did not answer, so nothing was accepted."""

    code = "broker_unavailable"


class OutboxFull(BrokerUnavailable):
    """The broker is away and the outbox has no room, so nothing was accepted; ``retry_after_s`` says when to retry."""

    code = "outbox_full"


class OutboxUnavailable(BrokerUnavailable):
    """The broker is away and the outbox's file cannot be written or read, so nothing was accepted."""

    code = "outbox_unavailable"


class UnknownTaskType(BusinessError):
    """No service declares this task type; the message proposes near names."""

    code = "unknown_task_type"


class InvalidPayload(BusinessError):
    """Arguments do not fit the task type; ``details["fields"]`` lists ``{"field", "problem"}``."""

    code = "invalid_payload"


class InvalidResult(BusinessError):
    """What a task returned cannot be kept as JSON."""

    code = "invalid_result"


class PayloadTooLarge(BusinessError):
    """Inline data is above its limit; send a reference instead."""

    code = "payload_too_large"


class MalformedBody(BusinessError):
    """A request's body is not strict JSON in UTF-8; the message says where it breaks off."""

    code = "invalid_json"


class UnsupportedMediaType(BusinessError):
    """A request's body is of a kind that is not read."""

    code = "unsupported_media_type"


class Unauthorized(BusinessError):
    """There is no key or token, or none that is known."""

    code = "unauthorized"


class Forbidden(BusinessError):
    """The caller is known, but lacks the scope that this needs."""

    code = "forbidden"


class RateLimited(TransientError):
    """The caller asks too often; ``details["retry_after_s"]`` says when it may go on."""

    code = "rate_limited"


class RouteConflict(BusinessError):
    """A task type of the catalogue cannot be routed by hand to another service."""

    code = "route_conflict"


class TaskNotFound(BusinessError):
    """There is no record of this task: the id is wrong, or its retention is over."""

    code = "task_not_found"


class TaskConflict(BusinessError):
    """The task's state does not allow this, or its id is taken by another task."""

    code = "task_conflict"


class ResultNotReady(BusinessError):
    """The task has not ended, so it has no result."""

    code = "result_not_ready"


class WaitTimeout(NetworkError):
    """The caller's waiting time is over; the task itself goes on."""

    code = "wait_timeout"


class TaskCancelled(BusinessError):
    """Raised inside a task whose cancellation was asked for."""

    code = "cancelled"


class TaskTimeout(TransientError):
    """The task ran past its time limit."""

    code = "timeout"


class EmbeddedServerError(ResourceError):
    """No Redis-compatible server could be found or started."""

    code = "embedded_server"


class TaskFailed(MeetingTasksError):
    """What a waiting caller gets when the task ended otherwise than completed."""

    code = "task_failed"
    error_class = ErrorClass.BUSINESS
