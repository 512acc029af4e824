"""What a client of a session may be told."""

from __future__ import annotations

from meetingtasks.errors import BusinessError, TransientError


class SessionUnknown(BusinessError):
    """There is no such session: it was never registered, or has ended."""

    code = "session_unknown"


class SessionTaken(BusinessError):
    """A session of this name belongs to another user or meeting."""

    code = "session_taken"


class SessionBusy(TransientError):
    """Every slot of the session holds a task that waits or runs.

    ``details`` give the ``limit``, the ``position`` (how many must end first) and ``retry_after_s``, an estimate from
    the tasks that the session had before.
    """

    code = "session_busy"
