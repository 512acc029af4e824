"""What an error means to a shell: the table of exit codes, and an error told in one line or one JSON document."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from meetingtasks.errors import (
    BrokerUnavailable,
    MeetingTasksError,
    ResultNotReady,
    SettingsError,
    WaitTimeout,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BROKER: Final = 3
NOT_FINISHED: Final = 4
INTERRUPTED: Final = 130

#: what ``--help`` and the reference print
MEANINGS: Final = {
    OK: "done; a task that was waited for has completed",
    FAILED: "the command or the task failed, or the platform refused it",
    USAGE: "wrong usage or wrong settings",
    BROKER: "the broker cannot be reached: it is down, or its address or password is wrong",
    NOT_FINISHED: "not finished, or not within the time given",
    INTERRUPTED: "stopped by Ctrl-C",
}

#: the first fitting class counts
_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (SettingsError, USAGE),
    (BrokerUnavailable, BROKER),
    (ResultNotReady, NOT_FINISHED),
    (WaitTimeout, NOT_FINISHED),
    (click.ClickException, USAGE),
    (Exception, FAILED),
)
_WRONG_ADDRESS: Final = re.compile(r"\b(?:mt_)?(?:broker|store)_url: ", re.IGNORECASE)
#: redis and kombu are not imported here: ``--help`` must be quick, and only the store speaks Redis
_BROKER_LIBRARIES: Final = ("redis", "kombu", "amqp")


def code_of(error: Exception) -> int:
    """Return the exit code of an error that ``translated`` has seen."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def translated(error: Exception) -> Exception:
    """Return what a user is told instead of an error of the broker's libraries; other errors as they are."""
    if isinstance(error, SettingsError) and _WRONG_ADDRESS.search(error.message):
        return BrokerUnavailable(error.message, code=error.code, **error.details)
    if any(base.__module__.partition(".")[0] in _BROKER_LIBRARIES for base in type(error).__mro__):
        return BrokerUnavailable(f"the broker does not answer: {error}")
    return error


def body_of(error: Exception) -> dict[str, Any]:
    """Return ``{"code", "message", "details", "retryable"}``, with secrets masked."""
    if isinstance(error, MeetingTasksError):
        return {**error.body(), "message": mask(error.message)}
    if isinstance(error, click.ClickException):
        return _body("usage", error.format_message())
    if isinstance(error, OSError) and error.strerror:
        return _body("os_error", f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    return _body("internal", f"unexpected {type(error).__name__}: {error} (meetingtasks --debug … shows where)")


def mask(text: str) -> str:
    """Return text with its secrets masked, as in the logs."""
    from meetingtasks import logs  # noqa: PLC0415 - brings pydantic, which only an error needs

    return logs.mask(text)


def _body(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": mask(message), "details": {}, "retryable": False}
