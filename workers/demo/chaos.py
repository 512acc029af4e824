"""Breaks something on purpose: the AI worker and its pool processes get SIGKILL while they transcribe."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from meetingtasks.cli.following import Snapshot
from meetingtasks.states import TaskState
from workers.demo.staff import Staff
from workers.pipeline.types import STAGE_TYPES

VICTIM = "ai"
STAGE = "transcribe"


class Chaos:
    """Kills once, at the first look that finds a part of the recording being transcribed."""

    def __init__(self, staff: Staff) -> None:
        self._staff = staff
        self.killed_pid: int | None = None
        self.interrupted: tuple[str, ...] = ()  # ids of the tasks that were running there

    def look(self, snapshot: Snapshot) -> str | None:
        """Kill when it is time; returns what was done, in words."""
        if self.killed_pid is not None or snapshot.run is None or snapshot.run.stage(STAGE).state != "running":
            return None
        running = self._running(snapshot.record.id)
        pid = self._staff.group.pids().get(VICTIM)
        if not running or pid is None:
            return None
        with suppress(ProcessLookupError):
            # a guarded program leads a process group of its own: this takes its pool processes too
            os.killpg(pid, signal.SIGKILL)
        self.killed_pid, self.interrupted = pid, tuple(running)
        stage = snapshot.run.stage(STAGE)
        return (
            f"chaos: killed the {VICTIM} worker (process {pid}) with SIGKILL while it transcribed "
            f"{len(running)} of {stage.total} parts, {stage.done} done; another one starts now"
        )

    def document(self) -> dict[str, object]:
        """Return what was done and what became of it, as JSON-ready values."""
        records = self._staff.fleet.dispatcher.store.get_many(self.interrupted)
        outcomes = {record.id: [attempt.outcome for attempt in record.attempts] for record in records if record}
        return {"killed": VICTIM, "pid": self.killed_pid, "interrupted_tasks": outcomes}

    def _running(self, run_id: str) -> list[str]:
        store = self._staff.fleet.dispatcher.store
        wanted = STAGE_TYPES[STAGE].name
        return [
            record.id
            for record in store.get_many(store.live_ids(500))
            if record and record.type == wanted and record.pipeline_id == run_id and record.state is TaskState.RUNNING
        ]
