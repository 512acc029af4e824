"""How much the outbox may hold: tasks, bytes, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from meetingtasks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What does not fit is refused; what is older is not run any more but ends as expired, with a record."""

    max_tasks: int
    max_bytes: int
    max_age_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read them from the settings.

        A task is never kept for longer than a finished task's record: that is what tells a forwarder that a task whose
        sending had an unknown outcome has run.
        """
        return cls(
            max_tasks=settings.outbox_max_tasks,
            max_bytes=settings.outbox_max_bytes,
            max_age_s=min(settings.outbox_max_age_s, settings.record_ttl_s),
        )
