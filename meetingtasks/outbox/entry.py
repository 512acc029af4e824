"""An entry of the outbox: one accepted task, as the message that Celery would have published."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from kombu.utils import json

from meetingtasks.clock import SYSTEM
from meetingtasks.idempotency import Claim
from meetingtasks.records import TaskRecord, from_fields, to_fields
from meetingtasks.states import Priority, TaskState
from meetingtasks.submission import RECORD_HEADER

#: what says how to publish, not what; a forwarder decides that for itself
_NOT_KEPT: Final = frozenset({"declare", "retry", "retry_policy", "timeout", "confirm_timeout"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kept task. ``maybe_sent``: an attempt to send it had an unknown outcome, so it may have arrived."""

    task_id: str
    message: str  # JSON: {"body", "publish": what kombu's Producer.publish takes beside it}
    accepted_ms: int
    maybe_sent: bool = False
    cancelled_by: str | None = None  # None: it is not cancelled
    cancel_reason: str = ""
    problem: str = ""  # why the broker refused it
    claim: Claim | None = None  # of its idempotency key

    @property
    def body(self) -> Any:
        """The message's body."""
        return self._kept()["body"]

    @property
    def publish(self) -> dict[str, Any]:
        """The arguments of ``Producer.publish`` beside the body; a new dictionary each time."""
        arguments: dict[str, Any] = self._kept()["publish"]
        return arguments

    @property
    def values(self) -> dict[str, Any]:
        """The first values of the task's record."""
        values: dict[str, Any] = self.publish["headers"][RECORD_HEADER]
        return values

    @property
    def level(self) -> int:
        """The priority's place: 0 goes first."""
        return Priority(self.values.get("priority", Priority.NORMAL)).level

    def is_past(self, now_ms: int) -> bool:
        """Tell whether its start-by time has passed."""
        expires_ms = self.values.get("expires_ms")
        return expires_ms is not None and now_ms > int(expires_ms)

    def tried(self) -> Self:
        """Return it as one that may have been sent."""
        return replace(self, maybe_sent=True)

    def under(self, task_id: str) -> Self:
        """Return it as the message of another id. Only for ids that were made here: they occur nowhere by chance."""
        return replace(self, task_id=task_id, message=self.message.replace(self.task_id, task_id))

    def record(self) -> TaskRecord:
        """Return what is known of the task while it is here."""
        state = TaskState.BUFFERED if self.cancelled_by is None else TaskState.CANCELLED
        own = {"id": self.task_id, "created_ms": self.accepted_ms, "state": state.value}
        return from_fields(to_fields({**self.values, **own, "cancel_reason": self.cancel_reason}))

    def _kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self.message)
        return kept


def entry_of(body: Any, publish: Mapping[str, Any]) -> Entry:
    """Make an entry of what was about to be published. It gets a mark, by which the broker knows a repetition."""
    kept = {name: value for name, value in publish.items() if name not in _NOT_KEPT}
    kept.setdefault("mt_mark", os.urandom(8).hex())
    return Entry(
        task_id=str(kept["headers"]["id"]),
        message=json.dumps({"body": body, "publish": kept}),
        accepted_ms=SYSTEM.now_ms(),
    )
