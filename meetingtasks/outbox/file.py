"""The outbox's file: accepted tasks in SQLite, shared by all processes of this machine.

A task is accepted when its transaction is on disk (write-ahead log, ``synchronous=FULL``), so what was accepted
survives kill -9 at any line and a loss of power. Who sends tasks on claims them first; only one process at a time holds
claims, so they go in their order. A claim ends with its batch, with its process, or after `LEASE_S`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.errors import OutboxFull, OutboxUnavailable, TaskConflict
from meetingtasks.idempotency import Claim, Duplicate
from meetingtasks.outbox import claims
from meetingtasks.outbox.entry import Entry
from meetingtasks.outbox.limits import Limits
from meetingtasks.outbox.schema import connect

#: longer than a batch can take with all its time limits
LEASE_S: Final = 30.0
#: how long a write waits for other processes'
BUSY_S: Final = 3.0
#: after this a task that the broker refused is tried again
HELD_S: Final = 60.0
#: what a caller is told to wait when the outbox is full
RETRY_AFTER_S: Final = 5.0

_COLUMNS: Final = "task_id, message, accepted_ms, maybe_sent, cancelled_by, cancel_reason, problem, name, digest"
_FROM: Final = "FROM entries LEFT JOIN claims USING (task_id)"
_FREE: Final = "(claimant = '' AND claimed_until_ms <= :now)"  # claimed_until_ms without a claimant: held


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What lies in the file."""

    tasks: int = 0
    bytes: int = 0
    oldest_ms: int | None = None


class OutboxFile:
    """One file; safe for threads and processes, not across a fork. Its errors are `OutboxUnavailable`."""

    def __init__(self, path: Path, limits: Limits, *, clock: Clock = SYSTEM) -> None:
        self.path = path
        self.limits = limits
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept here."""
        return self.path.exists()

    # -- accepting --------------------------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry], *, origin: str) -> dict[str, Duplicate | TaskConflict]:
        """Keep tasks, all or none but those whose id or idempotency key is here already; returns what these are told.

        OutboxFull or OutboxUnavailable: none was kept.
        """
        with self._transaction() as db:
            fresh, taken = claims.sort_out(db, entries)
            self._make_sure_of_room(db, fresh)
            db.executemany(
                "INSERT INTO entries (task_id, level, origin, accepted_ms, message, maybe_sent) VALUES (?,?,?,?,?,?)",
                [(e.task_id, e.level, origin, e.accepted_ms, e.message, e.maybe_sent) for e in fresh],
            )
        return taken

    def _make_sure_of_room(self, db: sqlite3.Connection, fresh: Sequence[Entry]) -> None:
        tasks, size_bytes = db.execute("SELECT tasks, bytes FROM totals").fetchone()
        more_bytes = sum(len(entry.message.encode()) for entry in fresh)
        limits = self.limits
        if tasks + len(fresh) <= limits.max_tasks and size_bytes + more_bytes <= limits.max_bytes:
            return
        raise OutboxFull(
            f"the broker is away and the outbox is full: {tasks} of {limits.max_tasks} tasks, "
            f"{size_bytes} of {limits.max_bytes} bytes",
            tasks=tasks,
            bytes=size_bytes,
            retry_after_s=RETRY_AFTER_S,
        )

    # -- forwarding -------------------------------------------------------------------------------------------------

    def has_work(self) -> bool:
        """Tell whether tasks wait that somebody could send now, or that somebody is sending."""
        query = "SELECT 1 FROM entries WHERE claimant != '' OR claimed_until_ms <= :now LIMIT 1"
        return self.exists and bool(self._rows(query, now=self._clock.now_ms()))

    def waiting_of(self, origin: str) -> int:
        """Return how many tasks of one origin are yet to be sent, without those that the broker refused."""
        query = "SELECT COUNT(*) FROM entries WHERE origin = :origin AND (claimant != '' OR claimed_until_ms <= :now)"
        return int(self._rows(query, origin=origin, now=self._clock.now_ms())[0][0])

    def claim(self, claimant: str, count: int) -> list[Entry]:
        """Take the next tasks by priority and acceptance; none while another live process holds claims."""
        now_ms = self._clock.now_ms()
        with self._transaction() as db:
            self._void_dead_claims(db, now_ms)
            if db.execute("SELECT 1 FROM entries WHERE claimant NOT IN ('', ?) LIMIT 1", (claimant,)).fetchone():
                return []
            rows = db.execute(
                f"SELECT seq, {_COLUMNS} {_FROM} WHERE {_FREE} ORDER BY level, seq LIMIT :count",
                {"now": now_ms, "count": count},
            ).fetchall()
            until_ms = now_ms + round(LEASE_S * 1000)
            db.executemany(
                "UPDATE entries SET claimant = ?, claimed_until_ms = ?, maybe_sent = 1 WHERE seq = ?",
                [(claimant, until_ms, row[0]) for row in rows],
            )
        return [_entry(row[1:]) for row in rows]

    def _void_dead_claims(self, db: sqlite3.Connection, now_ms: int) -> None:
        # a claim from the future was made before the machine's clock was set back
        latest_ms = now_ms + round(LEASE_S * 1000)
        claims = db.execute("SELECT DISTINCT claimant, claimed_until_ms FROM entries WHERE claimant != ''").fetchall()
        for claimant, until_ms in claims:
            if until_ms <= now_ms or until_ms > latest_ms or not _is_alive(claimant):
                db.execute("UPDATE entries SET claimant = '', claimed_until_ms = 0 WHERE claimant = ?", (claimant,))

    def release(self, claimant: str) -> None:
        """Give all claims back: nobody knows what became of the tasks."""
        self._write("UPDATE entries SET claimant = '', claimed_until_ms = 0 WHERE claimant = ?", claimant)

    def hold(self, claimant: str, task_id: str, problem: str) -> None:
        """Put a claimed task aside for a while because the broker refused it."""
        until_ms = self._clock.now_ms() + round(HELD_S * 1000)
        statement = (
            "UPDATE entries SET claimant = '', claimed_until_ms = ?, problem = ? WHERE claimant = ? AND task_id = ?"
        )
        self._write(statement, until_ms, problem[:500], claimant, task_id)

    def rename(self, claimant: str, old: Entry, new: Entry) -> None:
        """Keep a claimed task under another id from now on."""
        with self._transaction() as db:
            db.execute("UPDATE claims SET task_id = ? WHERE task_id = ?", (new.task_id, old.task_id))
            db.execute(
                "UPDATE entries SET task_id = ?, message = ? WHERE task_id = ? AND claimant = ?",
                (new.task_id, new.message, old.task_id, claimant),
            )

    def settle(self, claimant: str) -> int:
        """Remove all claimed tasks: they have reached the broker. Returns their number."""
        return self._write("DELETE FROM entries WHERE claimant = ?", claimant)

    # -- looking and changing ---------------------------------------------------------------------------------------

    def find(self, task_id: str) -> Entry | None:
        """Return a kept task, or None."""
        if not self.exists:
            return None
        rows = self._rows(f"SELECT {_COLUMNS} {_FROM} WHERE task_id = :id", id=task_id)
        return _entry(rows[0]) if rows else None

    def keyed(self, claim: Claim) -> Duplicate | TaskConflict | None:
        """Return what an idempotency key is told that a kept task came with; None when there is none."""
        if not self.exists:
            return None
        with self._opened() as db:
            return claims.standing(db, claim)

    def entries(self, limit: int) -> list[Entry]:
        """Return kept tasks in the order in which they will be sent."""
        if not self.exists:
            return []
        query = f"SELECT {_COLUMNS} {_FROM} ORDER BY level, seq LIMIT :limit"
        return [_entry(row) for row in self._rows(query, limit=limit)]

    def totals(self) -> Totals:
        """Count what lies here."""
        if not self.exists:
            return Totals()
        query = "SELECT tasks, bytes, (SELECT MIN(accepted_ms) FROM entries) FROM totals"
        tasks, size_bytes, oldest_ms = self._rows(query)[0]
        return Totals(tasks=tasks, bytes=size_bytes, oldest_ms=oldest_ms)

    def cancel(self, task_id: str, *, reason: str, actor: str) -> bool:
        """Mark a task that nobody sends right now as cancelled; False when it is being sent or is not here."""
        now_ms = self._clock.now_ms()
        with self._transaction() as db:
            self._void_dead_claims(db, now_ms)
            statement = (
                "UPDATE entries SET cancelled_by = COALESCE(cancelled_by, ?), claimed_until_ms = 0,"
                " cancel_reason = CASE WHEN cancelled_by IS NULL THEN ? ELSE cancel_reason END"
                " WHERE task_id = ? AND claimant = ''"
            )
            return db.execute(statement, (actor, reason, task_id)).rowcount > 0

    def purge(self) -> int:
        """Remove every task that nobody sends right now, for good and without a record; returns their number."""
        return self._write("DELETE FROM entries WHERE claimant = ''") if self.exists else 0

    def close(self) -> None:
        """Close the file; it opens again when it is used again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    # -- SQLite -----------------------------------------------------------------------------------------------------

    def _rows(self, query: str, **values: Any) -> list[Any]:
        with self._opened() as db:
            return db.execute(query, values).fetchall()

    def _write(self, statement: str, *values: Any) -> int:
        with self._transaction() as db:
            return db.execute(statement, values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block has ended, or none."""
        with self._opened() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = connect(self.path, busy_s=BUSY_S)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                if not isinstance(error, sqlite3.OperationalError):
                    self.close()  # a damaged file is looked at anew the next time: it may have been replaced
                raise OutboxUnavailable(
                    f"the outbox {self.path.name} cannot be used: {error}",
                    file=self.path.name,
                    retry_after_s=RETRY_AFTER_S,
                ) from error


def claimant_name() -> str:
    """Return a name by which others can see whether this process still lives."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"


def _is_alive(claimant: str) -> bool:
    host, pid, _ = claimant.rsplit("/", 2)
    if host != socket.gethostname():
        return True  # another container: its lease tells
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _entry(row: Sequence[Any]) -> Entry:
    task_id, message, accepted_ms, maybe_sent, cancelled_by, cancel_reason, problem, name, digest = row
    return Entry(
        task_id=task_id,
        message=message,
        accepted_ms=accepted_ms,
        maybe_sent=bool(maybe_sent),
        cancelled_by=cancelled_by,
        cancel_reason=cancel_reason,
        problem=problem,
        claim=None if name is None else Claim(name, digest),
    )
