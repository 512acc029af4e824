"""Many submissions in one round trip, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from celery import Celery

from meetingtasks import outbox
from meetingtasks.app import has_companion
from meetingtasks.errors import TaskConflict
from meetingtasks.idempotency import Duplicate
from meetingtasks.outbox.away import is_away
from meetingtasks.requests import TaskResponse
from meetingtasks.sending import send
from meetingtasks.states import TaskState
from meetingtasks.store.tasks import TaskStore
from meetingtasks.submission import Submission

LIMIT: Final = 500


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The submit ids of those whose chosen task id was taken, and whether the others are kept in the outbox.

    ``there``: what those are told, by their task ids, whose id or idempotency key is in the outbox already.
    """

    taken: frozenset[str] = frozenset()
    kept: bool = False
    there: Mapping[str, Duplicate | TaskConflict] = field(default_factory=dict)

    def answer(self, submission: Submission) -> TaskResponse:
        """Return what the caller is told of one submission."""
        task_id = submission.task_id
        told = self.there.get(task_id)
        if isinstance(told, Duplicate):
            return TaskResponse(task_id=told.task_id, status=TaskState.BUFFERED, duplicate=True)
        if told is None and submission.values.get("submit_id") not in self.taken:
            return TaskResponse(task_id=task_id, status=TaskState.BUFFERED if self.kept else submission.state)
        conflict = told or TaskConflict(f"the task id {task_id} is taken", task_id=task_id)
        return TaskResponse(task_id=task_id, status=TaskState.FAILED, error=conflict.body())


def send_many(app: Celery, store: TaskStore, submissions: Sequence[Submission]) -> Sent:
    """Send all of a batch, or keep it while the broker is away."""
    kept = outbox.of(app)
    if kept is not None:
        return _hand_over(app, kept, submissions)
    fresh, taken = submissions, set[str]()
    if not has_companion(app):
        answers = store.create_many({s.task_id: s.values for s in submissions})
        created = list(zip(submissions, answers, strict=True))
        fresh = [submission for submission, is_new in created if is_new]
        taken = {str(s.values["submit_id"]) for s, is_new in created if not is_new and s.claim is None}
    with app.producer_or_acquire() as producer, producer.batch(max_size=LIMIT * 2):
        for submission in fresh:
            send(app, submission, producer=producer, recorded=True)
    return Sent(taken=_not_ours(store, fresh) | taken)


def _hand_over(app: Celery, kept: outbox.Outbox, submissions: Sequence[Submission]) -> Sent:
    capture = outbox.Capture(kept)
    for submission in submissions:
        send(app, submission, producer=capture, recorded=True)
    entries = [replace(entry, claim=s.claim) for entry, s in zip(capture.entries, submissions, strict=True)]
    handed = kept.hand_over(entries)
    if not handed.kept:
        try:
            return Sent(taken=_not_ours(kept.sender.store, submissions))
        except Exception as error:
            if not is_away(error):
                raise
            kept.lost(error)  # nobody says whose ids were free: all are kept too, and each is taken once
            handed = kept.keep([entry.tried() for entry in entries])
    return Sent(there=handed.taken, kept=True)


def _not_ours(store: TaskStore, submissions: Sequence[Submission]) -> frozenset[str]:
    chosen = [submission for submission in submissions if submission.values.get("submit_id")]
    found = store.get_fields([submission.task_id for submission in chosen]) if chosen else []
    pairs = zip(chosen, found, strict=True)
    return frozenset(s.values["submit_id"] for s, fields in pairs if fields.get("submit_id") != s.values["submit_id"])
