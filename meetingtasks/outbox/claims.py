"""Idempotency keys while the broker is away: one kept task for each, whatever processes of this machine submit.

A key is claimed in the transaction that keeps its task, and forgotten with it: by then the store knows the key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from meetingtasks.errors import TaskConflict
from meetingtasks.idempotency import Claim, Duplicate, answer
from meetingtasks.outbox.entry import Entry


def standing(db: sqlite3.Connection, claim: Claim) -> Duplicate | TaskConflict | None:
    """Return what a key is told that a kept task came with; None when there is none."""
    found = db.execute("SELECT task_id, digest FROM claims WHERE name = ?", (claim.name,)).fetchone()
    return None if found is None else answer(claim, *found)


def sort_out(
    db: sqlite3.Connection, entries: Sequence[Entry]
) -> tuple[list[Entry], dict[str, Duplicate | TaskConflict]]:
    """Claim the keys of those that are new, and return them, and what the others are told, by their ids."""
    fresh: dict[str, Entry] = {}
    taken: dict[str, Duplicate | TaskConflict] = {}
    for entry in entries:
        if entry.task_id in fresh:  # of two with one id the first counts
            continue
        told = _told(db, entry)
        if told is not None:
            taken[entry.task_id] = told
            continue
        fresh[entry.task_id] = entry
        if entry.claim is not None:
            db.execute("INSERT INTO claims VALUES (?, ?, ?)", (entry.claim.name, entry.task_id, entry.claim.digest))
    return list(fresh.values()), taken


def _told(db: sqlite3.Connection, entry: Entry) -> Duplicate | TaskConflict | None:
    if entry.claim is not None and (told := standing(db, entry.claim)) is not None:
        return told
    if db.execute("SELECT 1 FROM entries WHERE task_id = ?", (entry.task_id,)).fetchone() is None:
        return None
    return TaskConflict(f"the task id {entry.task_id} is taken", task_id=entry.task_id)
