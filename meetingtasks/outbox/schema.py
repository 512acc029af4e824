"""The tables of the outbox's file, and the triggers that keep its totals."""

from __future__ import annotations

from typing import Final

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
"""
