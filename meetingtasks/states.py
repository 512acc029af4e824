"""The states of a task, the moves between them, and the four priorities.

```
 buffered ─► scheduled ─► pending ─► running ─► completed | failed | timeout | cancelled | expired
                 ▲           ▲         │ │
                 └───────────┴─ retrying ┘   (and running ─► pending when a worker was lost)
```

A final state is left only by a requeue, which starts a new generation of the task.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TaskState(StrEnum):
    """Where a task stands."""

    BUFFERED = "buffered"
    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @classmethod
    def parse(cls, word: str) -> TaskState:
        """Read a state's name or one of its accepted aliases; ValueError names the allowed words."""
        name = STATE_ALIASES.get(word.strip().lower(), word.strip().lower())
        try:
            return cls(name)
        except ValueError:
            raise ValueError(f"unknown task state {word!r}; use one of {', '.join(cls)}") from None

    @property
    def is_final(self) -> bool:
        """Whether nothing but a requeue leaves this state."""
        return self in FINAL


FINAL: Final = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.TIMEOUT, TaskState.CANCELLED, TaskState.EXPIRED}
)
WAITING: Final = frozenset({TaskState.BUFFERED, TaskState.SCHEDULED, TaskState.PENDING, TaskState.RETRYING})
LIVE: Final = WAITING | {TaskState.RUNNING}

STATE_ALIASES: Final = {
    "queued": "pending",
    "received": "pending",
    "processing": "running",
    "started": "running",
    "success": "completed",
    "partial_success": "completed",
    "error": "failed",
}

_ENDS_UNRUN = {TaskState.CANCELLED, TaskState.EXPIRED, TaskState.FAILED, TaskState.TIMEOUT}
MOVES: Final[dict[TaskState, frozenset[TaskState]]] = {
    TaskState.BUFFERED: frozenset({TaskState.SCHEDULED, TaskState.PENDING} | _ENDS_UNRUN),
    TaskState.SCHEDULED: frozenset({TaskState.PENDING, TaskState.RUNNING} | _ENDS_UNRUN),
    TaskState.PENDING: frozenset({TaskState.RUNNING} | _ENDS_UNRUN),
    # running -> running: the worker was lost, its message came back and another one started it
    TaskState.RUNNING: frozenset({TaskState.RUNNING, TaskState.PENDING, TaskState.RETRYING} | FINAL),
    TaskState.RETRYING: frozenset({TaskState.RUNNING, TaskState.PENDING} | _ENDS_UNRUN),
    # requeue: a new generation
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset({TaskState.PENDING}),
    TaskState.TIMEOUT: frozenset({TaskState.PENDING}),
    TaskState.CANCELLED: frozenset({TaskState.PENDING}),
    TaskState.EXPIRED: frozenset({TaskState.PENDING}),
}


class Priority(StrEnum):
    """How urgent a task is; names everywhere, numbers only in ``routing``."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def level(self) -> int:
        """0 for critical … 3 for low: smaller goes first."""
        return _LEVELS.index(self)


_LEVELS: Final = (Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW)


class ErrorClass(StrEnum):
    """What kind of failure it was, which decides about retries."""

    NETWORK = "network"
    TRANSIENT = "transient"
    RESOURCE = "resource"
    BUSINESS = "business"
