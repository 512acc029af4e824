"""Sends on what the outbox keeps: each task once, by priority and then by acceptance.

Where the process dies:

* before the batch is sent: its claims end with it, another process sends the batch;
* between sending and removing: another one sends it again, and the task's id makes the second sending nothing: a live
  message is refused by the broker, and one of a task that has run is refused by its record when it would start.

The idempotency key of a kept task is claimed in the store before it is sent. When it was used elsewhere meanwhile, the
kept task ends as cancelled, with a record that names the other one. Where the process dies:

* between claiming and sending: the next one finds the claim to be the task's own;
* after the record of such an end was made: it is made and ended again, which changes nothing.
* The claim of a process that died before it sent anything is made good: the kept task takes the claimed id, and its own
  ends first, so a process that dies between the two leaves an entry that ends once more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.errors import TaskConflict
from meetingtasks.idempotency import Duplicate, settle
from meetingtasks.outbox.away import is_away
from meetingtasks.outbox.entry import Entry
from meetingtasks.outbox.file import OutboxFile, claimant_name
from meetingtasks.outbox.sender import Sender
from meetingtasks.states import TaskState

log = logging.getLogger(__name__)

BATCH: Final = 500


class Forwarder:
    """One claimant of one file."""

    def __init__(self, file: OutboxFile, sender: Sender, *, clock: Clock = SYSTEM) -> None:
        self._file = file
        self._sender = sender
        self._clock = clock
        self._me = claimant_name()

    def forward(self, count: int = BATCH) -> int:
        """Send the next tasks on and return how many were settled; 0 when none is free.

        Raises what the broker raises; then the tasks are free again.
        """
        self._sender.ping()  # nothing is claimed, and so called sent perhaps, while nobody answers
        entries = self._file.claim(self._me, count)
        if not entries:
            return 0
        try:
            self._send(self._still_to_send(entries))
            return self._file.settle(self._me)
        except BaseException:
            self._file.release(self._me)
            raise

    def _still_to_send(self, entries: Sequence[Entry]) -> list[Entry]:
        """Settle what needs no message any more and return the others."""
        now_ms = self._clock.now_ms()
        oldest_ms = now_ms - self._file.limits.max_age_s * 1000
        left = []
        settled = settle(self._sender.store, entries)
        known = self._sender.known(e.task_id for e in entries)
        for entry, stored, claimed in zip(entries, known, settled, strict=True):
            is_own = not isinstance(claimed, TaskConflict) and claimed.task_id == entry.task_id
            if _is_somebody_elses(entry, stored):
                log.warning(
                    "a kept task's id was taken by another task; it is dropped", extra={"task_id": entry.task_id}
                )
            elif entry.cancelled_by is not None:
                self._sender.cancel(entry)
            elif is_own and stored.get("state") and TaskState(stored["state"]).is_final:
                continue
            elif entry.is_past(now_ms) or entry.accepted_ms < oldest_ms:
                self._sender.expire(entry)
            elif not is_own:
                left += self._given_way(entry, claimed)
            else:
                left.append(entry)
        return left

    def _given_way(self, entry: Entry, claimed: Entry | Duplicate | TaskConflict) -> list[Entry]:
        """End a task whose idempotency key stands for another one, and return that one where it is yet to be sent."""
        why = claimed.message if isinstance(claimed, TaskConflict) else f"duplicate of {claimed.task_id}"
        log.warning("a kept task's idempotency key was used elsewhere", extra={"task_id": entry.task_id, "why": why})
        self._sender.cancel(replace(entry, cancel_reason=why))
        if not isinstance(claimed, Entry):
            return []
        self._file.rename(self._me, entry, claimed)
        return [claimed]

    def _send(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        try:
            self._sender.send(entries)
        except Exception as error:
            if is_away(error):
                raise
            self._send_apart(entries, error)

    def _send_apart(self, entries: Sequence[Entry], error: Exception) -> None:
        """Find the task that the broker refuses: it must not keep back the others."""
        if len(entries) > 1:
            for entry in entries:
                self._send([entry])
            return
        log.error("the broker refuses a kept task; it is tried again in a minute", extra=_about(entries[0], error))
        self._file.hold(self._me, entries[0].task_id, f"{type(error).__name__}: {error}")


def _is_somebody_elses(entry: Entry, stored: Mapping[str, str]) -> bool:
    return bool(stored) and stored.get("submit_id") != entry.values.get("submit_id")


def _about(entry: Entry, error: Exception) -> dict[str, str]:
    return {"task_id": entry.task_id, "why": str(error)[:500]}
