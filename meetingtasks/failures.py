"""One table that says what kind of failure an exception is, by its type; users of the platform extend it.

Order of the answers: an exception's own ``error_class``, an exhausted resource by the system's error number, an HTTP
status that it carries, the nearest base class in the table (other libraries' stand in `foreign_failures`, by name), and
otherwise *transient*: an unknown fault deserves a second look, but not many.
"""

from __future__ import annotations

import errno
import hashlib
import math
import re
import socket
import ssl
import traceback
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from kombu.exceptions import OperationalError

from meetingtasks.clock import SYSTEM, Clock, to_datetime
from meetingtasks.errors import MeetingTasksError, TaskCancelled, TaskTimeout
from meetingtasks.foreign_failures import BY_NAME
from meetingtasks.logs import mask
from meetingtasks.records import TaskError
from meetingtasks.states import ErrorClass, TaskState

TRACEBACK_LIMIT = 8_000  # characters kept, the end of it: that is where the fault is
_MESSAGE_LIMIT = 2_000
#: exhausted, or (a file system mounted read-only) out of order until somebody sees to it
_RESOURCE_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.ENOLCK}
)


_FRAME = re.compile(r'^  File "(?P<file>.+)", line \d+, in (?P<function>.+)$', re.MULTILINE)
_LIBRARY = re.compile(r"[/\\](site-packages|dist-packages|lib[/\\]python3\.\d+)[/\\]")

_classes: dict[type[BaseException], ErrorClass] = {
    ConnectionError: ErrorClass.NETWORK,
    TimeoutError: ErrorClass.NETWORK,
    socket.gaierror: ErrorClass.NETWORK,
    ssl.SSLError: ErrorClass.NETWORK,
    OperationalError: ErrorClass.NETWORK,
    MemoryError: ErrorClass.RESOURCE,
    # what is not there, or not allowed, will not be so the next time either
    FileNotFoundError: ErrorClass.BUSINESS,
    PermissionError: ErrorClass.BUSINESS,
    IsADirectoryError: ErrorClass.BUSINESS,
    NotADirectoryError: ErrorClass.BUSINESS,
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
    status = _status(error)
    if status is not None:
        return _by_status(status)
    for base in type(error).__mro__:
        found = _classes.get(base) or BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return ErrorClass.TRANSIENT


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an answer that is an error: of the response, or of the exception itself."""
    response = getattr(error, "response", None)
    for status in (getattr(response, "status_code", None), getattr(error, "status", None)):
        if isinstance(status, int) and 400 <= status < 600:  # noqa: PLR2004 - HTTP's own range of errors
            return status
    return None


def _by_status(status: int) -> ErrorClass:
    if status in (408, 429, 502, 503, 504):
        return ErrorClass.NETWORK
    return ErrorClass.BUSINESS if status < 500 else ErrorClass.TRANSIENT  # noqa: PLR2004 - HTTP's own ranges


def retry_after_s(error: BaseException, *, clock: Clock = SYSTEM) -> float | None:
    """Return the seconds that the other side asked to be left alone, by the error or its HTTP response; else None."""
    wish = getattr(error, "retry_after_s", None)
    if wish is None:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        wish = headers.get("Retry-After")
    try:
        seconds = float(wish)  # type: ignore[arg-type] # None and words are what the except is for
    except (TypeError, ValueError):
        return _until(str(wish), clock)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(date: str, clock: Clock) -> float | None:
    """Read the header's other form, a date, e.g. ``Wed, 21 Oct 2026 07:28:00 GMT``."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - to_datetime(clock.now_ms())).total_seconds())


def final_state(error: BaseException) -> TaskState:
    """Return the state in which a task ends that failed with this for the last time."""
    if isinstance(error, TaskCancelled) or getattr(error, "code", None) == "cancelled":
        return TaskState.CANCELLED
    if isinstance(error, TaskTimeout | SoftTimeLimitExceeded | TimeLimitExceeded):
        return TaskState.TIMEOUT
    return TaskState.FAILED


def describe(error: BaseException, *, traceback_text: str | None = None, task: str = "") -> TaskError:
    """Describe a failure of a task of this name for the record; message and traceback are trimmed, secrets masked."""
    text = "".join(traceback.format_exception(error)) if traceback_text is None else traceback_text
    known = isinstance(error, MeetingTasksError)
    message = readable((error.message if isinstance(error, MeetingTasksError) else str(error)) or type(error).__name__)
    details = getattr(error, "details", None)
    code = str(getattr(error, "code", None) or _code(error)) if not isinstance(error, SystemExit) else "exit"
    kind = f"{type(error).__module__}.{type(error).__qualname__} {code}"
    return TaskError(
        code=code,
        error_class=classify(error).value,
        message=mask(message)[:_MESSAGE_LIMIT],
        details=details if isinstance(details, dict) else {},
        # a refused input is the caller's matter: its traceback would only hide the message
        traceback="" if known and classify(error) is ErrorClass.BUSINESS else readable(mask(text)[-TRACEBACK_LIMIT:]),
        exc_type=type(error).__qualname__,
        exc_module=type(error).__module__,
        fingerprint=fingerprint(task, kind, place_of(text)),
    )


def fingerprint(task: str, kind: str, place: str = "") -> str:
    """Return 12 hexadecimal digits: the same for failures of one type of task by one kind of error at one place."""
    return hashlib.sha256(f"{task}\n{kind}\n{place}".encode(errors="replace")).hexdigest()[:12]


def place_of(traceback_text: str) -> str:
    """Return where a failure happened: the innermost function that is no library's, as ``directory/file.py:function``.

    Lines are left out, and so are the directories above: the place stays the same on other machines and in most later
    versions. Empty when the text names no frame.
    """
    frames = [(found["file"], found["function"]) for found in _FRAME.finditer(traceback_text)]
    own = [frame for frame in frames if not _LIBRARY.search(frame[0])]
    file, function = (own or frames or [("", "")])[-1]
    near = re.split(r"[/\\]", file)[-2:]
    return f"{'/'.join(near)}:{function}" if file else ""


def readable(text: str) -> str:
    r"""Return text that every reader can decode: a file name's stray byte, for one, becomes ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _code(error: BaseException) -> str:
    for base in type(error).__mro__:
        if base in _codes:
            return _codes[base]
    return "error"
