"""Finds a task wherever it is: in the store, or still in the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import BrokerUnavailable
from meetingtasks.outbox.away import is_away
from meetingtasks.outbox.file import LEASE_S
from meetingtasks.outbox.outbox import Outbox
from meetingtasks.records import TaskRecord
from meetingtasks.store.tasks import TaskStore

LOOK_AGAIN_S: Final = 0.05


class Lookup:
    """Asks the store and the outbox's file. A store that is away raises its own errors, within seconds."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    @property
    def _store(self) -> TaskStore:
        return self._outbox.sender.store

    def get(self, task_id: str) -> TaskRecord | None:
        """Return a task's record, or None. A kept task is found although the store is away."""
        if self._outbox.is_away and (kept := self._kept(task_id)) is not None:
            return kept
        try:
            record = self._store.get(task_id)
        except Exception as error:
            if is_away(error) and (kept := self._kept(task_id)) is not None:
                return kept
            raise
        if record is not None or not self._outbox.file.exists:
            return record
        # what was sent on between the two looks is in the store by now
        return self._kept(task_id) or self._store.get(task_id)

    def cancel(self, task_id: str, stored: Callable[..., str], *, reason: str, actor: str) -> str:
        """Cancel a task in the store, by ``stored(task_id, reason=…, actor=…)``, or in the outbox.

        One that may have been sent is ``running`` while the store is away: it is told as soon as that is back.
        """
        until_s = SYSTEM.monotonic_s() + 2 * LEASE_S
        while SYSTEM.monotonic_s() < until_s:
            was_kept = self._outbox.file.find(task_id)  # looked for first: what is not here any more is in the store
            try:
                cancel = self._store.cancel if self._outbox.is_away else stored  # the one gives up within seconds
                standing = cancel(task_id, reason=reason, actor=actor)
            except Exception as error:
                if not is_away(error) or was_kept is None:
                    raise
                standing = "away"
            if was_kept is None or standing not in ("away", "unknown"):
                return standing
            if self._outbox.file.cancel(task_id, reason=reason, actor=actor):
                return "running" if was_kept.maybe_sent and standing == "away" else "cancelled"
            time.sleep(LOOK_AGAIN_S)  # it is being sent on right now: a matter of milliseconds
        raise BrokerUnavailable(f"task {task_id} is on its way to the broker; try again", task_id=task_id)

    def _kept(self, task_id: str) -> TaskRecord | None:
        entry = self._outbox.file.find(task_id)
        return None if entry is None else entry.record()
