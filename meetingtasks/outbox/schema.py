"""The tables of the outbox's file, and the triggers that keep its totals and its idempotency keys.

Every statement may be repeated, so a file of an earlier version gets what it lacks by running all of them.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

VERSION: Final = 2

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL UNIQUE, level INTEGER NOT NULL, origin TEXT NOT NULL,
  accepted_ms INTEGER NOT NULL, message TEXT NOT NULL, maybe_sent INTEGER NOT NULL, cancelled_by TEXT,
  cancel_reason TEXT NOT NULL DEFAULT '', problem TEXT NOT NULL DEFAULT '',
  claimant TEXT NOT NULL DEFAULT '', claimed_until_ms INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS entries_order ON entries (level, seq);
CREATE INDEX IF NOT EXISTS entries_claims ON entries (claimant);
CREATE INDEX IF NOT EXISTS entries_origin ON entries (origin);
CREATE TABLE IF NOT EXISTS totals (tasks INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS entries_in AFTER INSERT ON entries BEGIN
  UPDATE totals SET tasks = tasks + 1, bytes = bytes + LENGTH(CAST(NEW.message AS BLOB)); END;
CREATE TRIGGER IF NOT EXISTS entries_out AFTER DELETE ON entries BEGIN
  UPDATE totals SET tasks = tasks - 1, bytes = bytes - LENGTH(CAST(OLD.message AS BLOB)); END;
CREATE TABLE IF NOT EXISTS claims (name TEXT PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS claims_out AFTER DELETE ON entries BEGIN
  DELETE FROM claims WHERE task_id = OLD.task_id; END;
"""


def connect(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """Open the file, made when it is not there; only this user may read it, for it holds payloads."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        _refuse_damaged(db)
        if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _refuse_damaged(db: sqlite3.Connection) -> None:
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the file is damaged: {found}")
