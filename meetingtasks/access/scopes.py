"""What a key may be allowed to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One right; ``:admin`` rights hold for everybody's tasks."""

    TASKS_READ = "tasks:read"
    TASKS_SUBMIT = "tasks:submit"
    TASKS_CANCEL = "tasks:cancel"
    EVENTS_READ = "events:read"
    DLQ_ADMIN = "dlq:admin"
    SCHEDULES_ADMIN = "schedules:admin"
    QUEUES_ADMIN = "queues:admin"
    FLEET_ADMIN = "fleet:admin"


SCOPES: Final = tuple(Scope)
