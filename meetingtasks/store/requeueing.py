"""Requeueing dead letters: in one transaction the mark goes, a new generation begins, and its message waits.

Killed at any point, a task is a dead letter or in a queue, never both and never neither. Where messages are on another
server than the records, nothing can be one transaction over both: then the record changes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from redis.client import Pipeline
from redis.exceptions import WatchError

from meetingtasks.errors import MeetingTasksError, TaskConflict, TaskNotFound
from meetingtasks.records import TaskRecord, from_fields
from meetingtasks.store import keys
from meetingtasks.store.dead_letters import AUDIT_LENGTH, Act, DeadLetterStore
from meetingtasks.store.scripts import Value, load
from meetingtasks.store.tasks import TaskStore, life

#: per task None when it was requeued, else what speaks against it
Outcomes = dict[str, MeetingTasksError | None]


@dataclass(frozen=True)
class Letter:
    """A dead letter as it is requeued: its record, and what its message carried beside the payload."""

    record: TaskRecord
    carried: Mapping[str, Any]

    @property
    def number(self) -> int:
        """The number of its next message: it goes on, so that a message of an earlier generation is known as stale."""
        return self.record.retries + 1


@dataclass(frozen=True)
class Going:
    """A letter and the queue it goes to."""

    letter: Letter
    queue: str


class Mail(Protocol):
    """Makes messages of letters."""

    def queue_of(self, letter: Letter) -> str:
        """Return where a letter is to go; a MeetingTasksError when it cannot be sent again."""
        ...

    def put(self, pipe: Pipeline, going: Sequence[Going]) -> None:
        """Add the messages to the transaction."""
        ...

    def follow(self, going: Sequence[Going]) -> None:
        """Do after the transaction what could not be part of it."""
        ...


class Guard(Protocol):
    """What else must stand in the moment of a requeue, and changes with it."""

    @property
    def watched(self) -> Sequence[str]:
        """The keys that must not change meanwhile."""
        ...

    def check(self) -> None:
        """Look at them; an exception stops the requeue."""
        ...

    def add(self, pipe: Pipeline, outcomes: Outcomes, going: Sequence[Going]) -> None:
        """Add commands to the transaction; ``going`` are those that this transaction requeues."""
        ...


class Requeueing:
    """One act of requeueing, of any number of letters in any number of transactions."""

    def __init__(self, letters: DeadLetterStore, mail: Mail, act: Act) -> None:
        self._letters = letters
        self._tasks = TaskStore(letters.client)
        self._mail = mail
        self._act = act

    def run(self, task_ids: Iterable[str], guard: Guard | None = None) -> Outcomes:
        """Requeue letters in one transaction.

        When one of them changes meanwhile, or the connection breaks, all are looked at again; what an answer that was
        lost has done is not done twice.
        """
        ids = list(dict.fromkeys(task_ids))
        watched = [*map(keys.task, ids), *(guard.watched if guard else ())]
        seen: dict[str, int] = {}
        while watched:
            with self._letters.client.pipeline(transaction=True) as pipe, suppress(WatchError):
                pipe.watch(*watched)
                return self._try(pipe, ids, seen, guard)
        return {}

    def _try(self, pipe: Pipeline, ids: Sequence[str], seen: dict[str, int], guard: Guard | None) -> Outcomes:
        if guard is not None:
            guard.check()
        outcomes: Outcomes = {}
        going = []
        for task_id, fields in zip(ids, self._tasks.get_fields(ids), strict=True):
            outcomes[task_id] = None
            try:
                if not self._is_done(task_id, fields, seen):
                    letter = letter_of(task_id, fields)
                    going.append(Going(letter, self._mail.queue_of(letter)))
            except MeetingTasksError as problem:
                outcomes[task_id] = problem
        pipe.multi()
        self._add(pipe, going)
        if guard is not None:
            guard.add(pipe, outcomes, going)
        pipe.execute()
        self._mail.follow(going)
        return outcomes

    def _is_done(self, task_id: str, fields: Mapping[str, str], seen: dict[str, int]) -> bool:
        """Tell whether an earlier try, whose answer was lost, has requeued this task."""
        generation = int(fields.get("generation") or 1)
        return seen.setdefault(task_id, generation) < generation and fields.get("requeue") == self._act.name

    def _add(self, pipe: Pipeline, going: Sequence[Going]) -> None:
        script = load("dead_requeue")
        pipe.script_load(script.source)
        for one in going:
            record = one.letter.record
            args: list[Value] = [record.id, self._letters.stream_length, self._act.name, self._act.actor, one.queue]
            args += [record.generation, AUDIT_LENGTH]
            script.put_on(pipe, [*life(record.id), keys.DEAD_AUDIT], args)
        if going:
            self._mail.put(pipe, going)


def letter_of(task_id: str, fields: Mapping[str, str]) -> Letter:
    """Read a stored hash as a dead letter; TaskNotFound without one, TaskConflict when its task is none."""
    if not fields.get("state"):
        raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
    record = from_fields(fields)
    if not record.dead:
        raise TaskConflict(f"task {task_id} is no dead letter: it is {record.state}", state=record.state.value)
    return Letter(record, json.loads(fields.get("carried") or "{}"))
