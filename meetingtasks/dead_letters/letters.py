"""The dead letters of a fleet: looking at them, and deciding about them. Who decides is always named, and kept."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from meetingtasks.dead_letters.mail import DeadLetterMail
from meetingtasks.dead_letters.redrive import Redrives
from meetingtasks.dead_letters.where import EVERY, Where
from meetingtasks.errors import InvalidPayload, MeetingTasksError, TaskConflict
from meetingtasks.events.facts.system import DeadLetterReport
from meetingtasks.events.log import EventLog, Outgoing
from meetingtasks.events.types import new_event
from meetingtasks.payloads.border import validate
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.records import TaskRecord
from meetingtasks.settings import Settings
from meetingtasks.store.client import connect
from meetingtasks.store.dead_letters import Act, DeadLetterStore, Position
from meetingtasks.store.requeueing import Requeueing, letter_of
from meetingtasks.store.runs import RunStore
from meetingtasks.store.tasks import TaskStore
from meetingtasks.task_types import CATALOGUE

if TYPE_CHECKING:
    from celery import Celery

#: letters in one transaction: what others wait for meanwhile stays below 20 ms
AT_ONCE: Final = 100
REPORT_WINDOW_S: Final = 3600
By = Literal["fingerprint", "type", "error_class", "code", "queue"]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some letters, the newest first, and where the next page begins; None after the last."""

    letters: tuple[TaskRecord, ...]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Letters that have something in common. ``example`` is the newest; first and last are times of death."""

    by: str  # what they have in common: the fingerprint, the type …
    count: int
    first_ms: int
    last_ms: int
    type: str
    queue: str
    error_class: str
    code: str
    message: str
    example: str  # a task's id


@dataclass(frozen=True, kw_only=True)
class Requeued:
    """What a requeue came to: the ids that went, and the errors of those that stay."""

    task_ids: tuple[str, ...]
    refused: Mapping[str, MeetingTasksError]


class DeadLetters:
    """The dead letters of one fleet; each is its task's record (``TaskRecord.dead``)."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        client = connect(settings.effective_store_url)
        about = {"record_ttl_s": settings.record_ttl_s, "stream_length": settings.event_stream_length}
        self._tasks = TaskStore(client, **about)
        self._store = DeadLetterStore(client, **about)
        self._runs = RunStore(client)
        self.redrives = Redrives(self._store, self._mail)

    # -- looking ----------------------------------------------------------------------------------------------------

    def count(self, where: Where = EVERY) -> int:
        """Count the letters that are meant."""
        if where.is_indexed:
            return self._store.count(where.stretch())
        return sum(1 for _ in where.walk(self._store))

    def find(self, where: Where = EVERY, *, limit: int = 50, after: str | None = None) -> Page:
        """Return letters, the newest first, from the place on that the page before gave as its ``after``.

        What dies meanwhile does not move the next page. InvalidPayload for a place that is none.
        """
        places = list(itertools.islice(where.walk(self._store, after=_position(after)), limit + 1))
        records = self._tasks.get_many(place.task_id for place in places[:limit])
        more = str(places[limit - 1]) if len(places) > limit else None
        return Page(letters=tuple(r for r in records if r is not None and r.dead), after=more)

    def groups(self, by: By = "fingerprint") -> list[Group]:
        """Return what the letters have in common, the largest group first."""
        rows = self._store.fingerprints()
        newest = self._tasks.get_many(last.task_id for _, _, _, last in rows)
        groups: dict[str, Group] = {}
        for (name, count, first, last), record in zip(rows, newest, strict=True):
            if record is not None and record.error is not None:
                group = _group(name, record, count=count, first_ms=first.died_ms, last_ms=last.died_ms)
                common = name if by == "fingerprint" else str(getattr(group, by))
                groups[common] = _merged(common, groups.get(common), group)
        return sorted(groups.values(), key=lambda group: (-group.count, group.by))

    def get(self, task_id: str) -> TaskRecord:
        """Return one letter; TaskNotFound without a task, TaskConflict when it is no dead letter."""
        return letter_of(task_id, self._tasks.get_fields([task_id])[0]).record

    def audit(self, limit: int = 100) -> list[dict[str, str]]:
        """Return the newest acts on dead letters, the newest first; each has action, task, actor, at_ms and more."""
        return self._store.audit(limit)

    def report(self) -> DeadLetterReport:
        """Return and announce how many there are, how many are new, and of which kinds; to be called regularly."""
        report = DeadLetterReport(
            total=self.count(),
            last_hour=self._store.lately(REPORT_WINDOW_S),
            by_type={group.by: group.count for group in self.groups("type")},
            by_error={group.by: group.count for group in self.groups("error_class")},
        )
        event = new_event(report.type, report.payload(), "dead_letters")
        EventLog(self._store.client).publish([Outgoing.of(report.channel, event)])
        return report

    # -- deciding ---------------------------------------------------------------------------------------------------

    def edit(self, task_id: str, payload: Mapping[str, Any], *, actor: str) -> TaskRecord:
        """Give a letter another payload, which must fit its type. It stays a letter until it is requeued.

        Raises InvalidPayload, TaskNotFound or TaskConflict (it is no letter, or somebody was faster).
        """
        (fields,) = self._tasks.get_fields([task_id])
        record = letter_of(task_id, fields).record
        task_type = CATALOGUE.find(record.type)
        if task_type is not None:
            checked = validate(task_type.payload, payload).model_dump(mode="json", exclude_unset=True)
        else:
            checked = validate(CustomPayload, payload).root
        text = json.dumps(checked, ensure_ascii=False, separators=(",", ":"))
        if not self._store.edit(task_id, text, before=fields.get("payload", ""), actor=actor):
            raise TaskConflict(f"task {task_id} was changed by somebody else; look again", task_id=task_id)
        return self.get(task_id)

    def requeue(self, task_ids: Iterable[str], *, actor: str, queue: str | None = None) -> Requeued:
        """Run letters again, in their own queues or in another one: new attempts, the old ones stay on record."""
        return self._requeue(task_ids, actor=actor, queue=queue)

    def requeue_matching(
        self, where: Where, *, actor: str, limit: int | None = None, queue: str | None = None
    ) -> Requeued:
        """Run the letters that are meant again, the oldest first, at most ``limit``; at once. See ``redrives``.

        What fails again meanwhile died later, and is not met a second time.
        """
        places = where.up_to(self._store.now_ms()).walk(self._store, oldest_first=True)
        return self._requeue((p.task_id for p in itertools.islice(places, limit)), actor=actor, queue=queue)

    def purge(self, task_ids: Iterable[str], *, actor: str) -> int:
        """Give letters up: their records go as those of other ended tasks do. Returns how many were letters."""
        act, ids = Act(actor=actor, name=uuid4().hex), iter(task_ids)
        purged = 0
        while some := list(itertools.islice(ids, AT_ONCE)):
            purged += len(self._store.purge(some, act))
        return purged

    def purge_matching(self, where: Where, *, actor: str) -> int:
        """Give up the letters that are meant; what dies meanwhile stays. Returns how many went."""
        places = where.up_to(self._store.now_ms()).walk(self._store, oldest_first=True)
        return self.purge((place.task_id for place in places), actor=actor)

    def _requeue(self, task_ids: Iterable[str], *, actor: str, queue: str | None) -> Requeued:
        mail = self._mail(queue)
        requeueing = Requeueing(self._store, mail, Act(actor=actor, name=uuid4().hex))
        went: list[str] = []
        refused: dict[str, MeetingTasksError] = {}
        ids = iter(task_ids)
        while some := list(itertools.islice(ids, AT_ONCE)):
            for task_id, problem in requeueing.run(some).items():
                if problem is None:
                    went.append(task_id)
                else:
                    refused[task_id] = problem
        return Requeued(task_ids=tuple(went), refused=refused)

    def _mail(self, queue: str | None) -> DeadLetterMail:
        return DeadLetterMail(self._app, self._settings, self._runs, queue=queue)


def _position(text: str | None) -> Position | None:
    try:
        return None if text is None else Position.parse(text)
    except ValueError as error:
        raise InvalidPayload(str(error), fields=[{"field": "/after", "problem": "is no place in the list"}]) from None


def _group(fingerprint: str, newest: TaskRecord, *, count: int, first_ms: int, last_ms: int) -> Group:
    error = newest.error
    return Group(
        by=fingerprint,
        count=count,
        first_ms=first_ms,
        last_ms=last_ms,
        type=newest.type,
        queue=newest.queue,
        error_class=error.error_class if error else "",
        code=error.code if error else "",
        message=error.message if error else "",
        example=newest.id,
    )


def _merged(common: str, known: Group | None, further: Group) -> Group:
    """Return one group of two; the one with the newest letter lends its words."""
    if known is None:
        return replace(further, by=common)
    newer = further if further.last_ms > known.last_ms else known
    return replace(newer, by=common, count=known.count + further.count, first_ms=min(known.first_ms, further.first_ms))
