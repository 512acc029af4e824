"""Following a task or run until it ends: what is known of it, again and again, with a percent that never falls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meetingtasks.cli.fleet import Fleet
from meetingtasks.clock import SYSTEM
from meetingtasks.errors import TaskNotFound, WaitTimeout
from meetingtasks.records import TaskRecord
from meetingtasks.store.runs import RunRecord

EVERY_S: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is known at one moment; a run is there for tasks that are worked on in stages."""

    record: TaskRecord
    run: RunRecord | None
    percent: float

    @property
    def sentence(self) -> str:
        """The moment in one line: state, percent, step and message."""
        progress = self.record.progress
        words = [self.record.state.value, f"{self.percent:.0f}%"]
        if self.record.state.is_final:
            words = words[:1]
        elif progress.step and not progress.message.startswith(progress.step):
            words.append(progress.step)
        told = progress.message if not self.record.state.is_final else ""
        if self.record.error is not None and self.record.state.is_final:
            told = f"{self.record.error.code}: {self.record.error.message}"
        return " ".join([*words, told]).rstrip()


def look(fleet: Fleet, task_id: str, *, at_least: float = 0.0) -> Snapshot:
    """Return what is known now; TaskNotFound when it is nothing."""
    record = fleet.dispatcher.get(task_id)
    run = fleet.run(task_id)
    percent = max(at_least, record.progress.percent, run.percent if run else 0.0)
    return Snapshot(record=record, run=run, percent=percent)


def follow(fleet: Fleet, task_id: str, *, timeout_s: float | None = None) -> Iterator[Snapshot]:
    """Yield what is known four times a second, at last the end; WaitTimeout after ``timeout_s`` (None: never)."""
    started_s = SYSTEM.monotonic_s()
    percent = 0.0
    while True:
        snapshot = look(fleet, task_id, at_least=percent)
        percent = snapshot.percent
        yield snapshot
        if snapshot.record.state.is_final:
            return
        if timeout_s is not None and SYSTEM.monotonic_s() - started_s > timeout_s:
            raise WaitTimeout(
                f"task {task_id} has not ended after {timeout_s:g} s; it goes on: meetingtasks watch {task_id}",
                task_id=task_id,
            )
        time.sleep(EVERY_S)


def nothing_known(task_id: str) -> TaskNotFound:
    """Build the error for an id that nobody knows."""
    return TaskNotFound(
        f"there is no task or run {task_id!r}; it is misspelt, on another broker, or its record's time is over",
        task_id=task_id,
    )
