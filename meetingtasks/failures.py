"""One table that says what kind of failure an exception is, by its type; users of the platform extend it.

Order of the answers: an exception's own ``error_class``, the nearest registered base class, an HTTP status that it
carries, and otherwise *transient*: an unknown fault deserves a second look, but not many.
"""

from __future__ import annotations

import errno
import math
import socket
import ssl
import traceback
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from kombu.exceptions import OperationalError

from meetingtasks.errors import MeetingTasksError, TaskCancelled, TaskTimeout
from meetingtasks.records import TaskError
from meetingtasks.states import ErrorClass, TaskState

TRACEBACK_LIMIT = 8_000  # characters kept, the end of it: that is where the fault is
_MESSAGE_LIMIT = 2_000
_RESOURCE_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

_classes: dict[type[BaseException], ErrorClass] = {
    ConnectionError: ErrorClass.NETWORK,
    TimeoutError: ErrorClass.NETWORK,
    socket.gaierror: ErrorClass.NETWORK,
    ssl.SSLError: ErrorClass.NETWORK,
    OperationalError: ErrorClass.NETWORK,
    MemoryError: ErrorClass.RESOURCE,
    SoftTimeLimitExceeded: ErrorClass.NETWORK,  # retried only where the type has network retries
    TimeLimitExceeded: ErrorClass.NETWORK,
}
_codes: dict[type[BaseException], str] = {
    SoftTimeLimitExceeded: "timeout",
    TimeLimitExceeded: "timeout",
    WorkerLostError: "worker_lost",
    MemoryError: "out_of_memory",
}


def register(exception: type[BaseException], error_class: ErrorClass, *, code: str | None = None) -> None:
    """Say what kind of failure an exception type (and what derives from it) is."""
    _classes[exception] = error_class
    if code is not None:
        _codes[exception] = code


def classify(error: BaseException) -> ErrorClass:
    """Return the class of a failure."""
    own = getattr(error, "error_class", None)
    if isinstance(own, ErrorClass):
        return own
    if isinstance(error, OSError) and error.errno in _RESOURCE_ERRNOS:
        return ErrorClass.RESOURCE
    for base in type(error).__mro__:
        if base in _classes:
            return _classes[base]
    return _by_status(getattr(getattr(error, "response", None), "status_code", None))


def _by_status(status: Any) -> ErrorClass:
    if status in (429, 502, 503, 504):
        return ErrorClass.NETWORK
    if isinstance(status, int) and 400 <= status < 500:  # noqa: PLR2004 - HTTP's own ranges
        return ErrorClass.BUSINESS
    return ErrorClass.TRANSIENT


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds that the other side asked to be left alone, by the error or its HTTP response; else None."""
    wish = getattr(error, "retry_after_s", None)
    if wish is None:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        wish = headers.get("Retry-After")
    try:
        seconds = float(wish)  # type: ignore[arg-type] # None and words are what the except is for
    except (TypeError, ValueError):
        return None  # the header's other form, a date, is rare and depends on two clocks
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def final_state(error: BaseException) -> TaskState:
    """Return the state in which a task ends that failed with this for the last time."""
    if isinstance(error, TaskCancelled) or getattr(error, "code", None) == "cancelled":
        return TaskState.CANCELLED
    if isinstance(error, TaskTimeout | SoftTimeLimitExceeded | TimeLimitExceeded):
        return TaskState.TIMEOUT
    return TaskState.FAILED


def describe(error: BaseException, *, traceback_text: str | None = None) -> TaskError:
    """Describe a failure for the record; message and traceback are trimmed."""
    text = "".join(traceback.format_exception(error)) if traceback_text is None else traceback_text
    known = isinstance(error, MeetingTasksError)
    message = readable((error.message if isinstance(error, MeetingTasksError) else str(error)) or type(error).__name__)
    details = getattr(error, "details", None)
    return TaskError(
        code=str(getattr(error, "code", None) or _code(error)) if not isinstance(error, SystemExit) else "exit",
        error_class=classify(error).value,
        message=message[:_MESSAGE_LIMIT],
        details=details if isinstance(details, dict) else {},
        # a refused input is the caller's matter: its traceback would only hide the message
        traceback="" if known and classify(error) is ErrorClass.BUSINESS else readable(text[-TRACEBACK_LIMIT:]),
        exc_type=type(error).__qualname__,
        exc_module=type(error).__module__,
    )


def readable(text: str) -> str:
    r"""Return text that every reader can decode: a file name's stray byte, for one, becomes ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _code(error: BaseException) -> str:
    for base in type(error).__mro__:
        if base in _codes:
            return _codes[base]
    return "error"
