"""Cancelling tasks: one of them, those that a filter finds, or all of a meeting.

A waiting task ends at once, and then its message goes from its queue; a process that dies between the two leaves a
message that is refused when it is fetched. A running task is told, and its worker ends it when it does not heed that.
A run of the pipeline is a record, so it ends at once; what works on its stages is told.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from meetingtasks.broker import scripts
from meetingtasks.broker.keys import QueueKeys
from meetingtasks.settings import REDIS_SCHEMES, Settings
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.client import Client, connect
from meetingtasks.store.runs import RunStore
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import Cancelling, End, TaskStore, batched
from meetingtasks.submission import message_id_of
from meetingtasks.task_types import CATALOGUE

#: how often a cascade looks again for tasks that came while it was at work, before it leaves them to the next one
PASSES: Final = 5
_FIELDS: Final = ("type", "queue", "state", "meeting_id", "user_id")

OnProgress = Callable[["CancelReport"], object]


@dataclass(frozen=True, kw_only=True)
class CancelReport:
    """What a cancellation of many tasks came to: how many never start, were told to stop, or had ended."""

    cancelled: int = 0
    told: int = 0
    already_final: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return it as JSON-ready values."""
        return asdict(self)

    def __add__(self, other: CancelReport) -> CancelReport:
        """Add up the reports of two parts."""
        return CancelReport(
            cancelled=self.cancelled + other.cancelled,
            told=self.told + other.told,
            already_final=self.already_final + other.already_final,
        )


@dataclass(frozen=True, kw_only=True)
class CancelFilter:
    """Which live tasks are meant: those that fit everything that is set."""

    type: str | None = None
    queue: str | None = None
    state: TaskState | None = None
    meeting_id: int | str | None = None
    user_id: int | str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every live task fits."""
        return all(getattr(self, name) is None for name in _FIELDS)

    def fits(self, stored: dict[str, str | None]) -> bool:
        """Tell whether a task fits, by the fields of its record."""
        if stored["state"] is None:
            return False
        wanted = {name: getattr(self, name) for name in _FIELDS}
        return all(value is None or _plain(name, stored[name]) == str(value) for name, value in wanted.items())


class Canceller:
    """Cancels tasks on one server. Thread-safe."""

    def __init__(self, store: TaskStore, settings: Settings) -> None:
        self._store = store
        self._runs = RunStore(store.client, record_ttl_s=settings.record_ttl_s)
        speaks_redis = settings.broker_url.partition("://")[0] in REDIS_SCHEMES
        self._broker: Client | None = connect(settings.broker_url, as_bytes=True) if speaks_redis else None

    def one(self, task_id: str, *, reason: str = "", actor: str = "") -> str:
        """Cancel one task; returns ``cancelled``, ``running`` (told), ``unknown``, or the final state it has."""
        answer = self._store.cancel_many([task_id], reason=reason, actor=actor)[0]
        self._drop_messages([answer])
        return answer.outcome

    def many(self, task_ids: Sequence[str], *, reason: str = "", actor: str = "") -> CancelReport:
        """Cancel tasks by their ids; an unknown one counts as ended."""
        answers = self._store.cancel_many(task_ids, reason=reason, actor=actor)
        told = [answer.task_id for answer in answers if answer.outcome == "running"]
        ended = self._end_runs(told)
        self._drop_messages(answers)
        cancelled = sum(answer.outcome == "cancelled" and bool(answer.now) for answer in answers) + ended
        return CancelReport(
            cancelled=cancelled, told=len(told) - ended, already_final=len(answers) - cancelled - len(told) + ended
        )

    def where(
        self,
        which: CancelFilter,
        *,
        reason: str = "",
        actor: str = "",
        dry_run: bool = False,
        on_progress: OnProgress | None = None,
    ) -> CancelReport:
        """Cancel the live tasks that fit; with ``dry_run`` nothing is done, and the report says what would be.

        ``on_progress`` gets the report so far after every 500 tasks that were looked at.
        """
        known = CATALOGUE.find(which.type) if which.type is not None else None
        if known is not None:
            which = replace(which, type=known.name)  # it may have been named by an alias
        index = keys.LIVE if which.meeting_id is None else keys.meeting(which.meeting_id)
        report, seen = CancelReport(), set[str]()
        for _ in range(1 if dry_run else PASSES):
            fresh = [task_id for task_id in self._store.client.zrange(index, 0, -1) if task_id not in seen]
            for some in batched(fresh):
                report += self._foretell(some, which) if dry_run else self._cancel(some, which, reason, actor)
                if on_progress is not None:
                    on_progress(report)
            seen.update(fresh)
            if not fresh:
                break
        return report

    def _cancel(self, some: Sequence[str], which: CancelFilter, reason: str, actor: str) -> CancelReport:
        if which == CancelFilter(meeting_id=which.meeting_id):  # the index has said it all
            return self.many(some, reason=reason, actor=actor)
        return self.many(list(self._fitting(some, which)), reason=reason, actor=actor)

    def _foretell(self, some: Sequence[str], which: CancelFilter) -> CancelReport:
        found = self._fitting(some, which)
        told = sum(state == TaskState.RUNNING for state in found.values())
        return CancelReport(cancelled=len(found) - told, told=told)

    def _fitting(self, task_ids: Sequence[str], which: CancelFilter) -> dict[str, str | None]:
        """Return those of the tasks that fit, with their states."""
        found = zip(task_ids, self._store.some_fields(task_ids, _FIELDS), strict=True)
        return {task_id: stored["state"] for task_id, stored in found if which.fits(stored)}

    def _end_runs(self, told: Iterable[str]) -> int:
        """End those of the told tasks that are runs between or in their stages; returns how many."""
        live = set(self._runs.live_ids())
        return sum(self._end_run(task_id) for task_id in told if task_id in live)

    def _end_run(self, run_id: str) -> bool:
        run = self._runs.get(run_id)
        if run is None:
            return False
        pipe = self._store.client.pipeline(transaction=True)
        pipe.script_load(load("finish").source)
        self._store.finish(run_id, run.token, End(state=TaskState.CANCELLED, meta=_revoked(run_id)), pipe=pipe)
        self._runs.end(run_id, {}, pipe=pipe)
        return str(pipe.execute()[1]) == TaskState.CANCELLED

    def _drop_messages(self, answers: Iterable[Cancelling]) -> None:
        if self._broker is None:
            return
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for answer in answers:
            if answer.queue:
                by_queue[answer.queue].append(message_id_of(answer.task_id, answer.retries))
        for queue, ids in by_queue.items():
            for some in batched(ids):
                scripts.purge(QueueKeys(queue), some).run(self._broker)


def _plain(name: str, stored: str | None) -> str | None:
    """Return a field as text; keys are stored as JSON, a number or a string."""
    return str(json.loads(stored)) if stored and name in ("meeting_id", "user_id") else stored


def _revoked(task_id: str) -> str:
    refused = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions", "exc_message": ["cancelled"]}
    about: dict[str, Any] = {"status": "REVOKED", "result": refused, "traceback": None, "children": []}
    return json.dumps({**about, "task_id": task_id})
