"""Idempotency keys: a submission that is repeated under the same key is the task that was there first.

The key of an owner (tenant and user) is claimed for a task id before anything is sent: one command, which tells any
number of callers who came first. Then record and message are written in one transaction under the claimed id, where
the second of two changes nothing. So a process that dies between the two leaves a claim without a task, and the next
repeat submits the task under the claimed id. The record is kept as long as the claim, so a repeat always finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meetingtasks.errors import TaskConflict
from meetingtasks.store.tasks import TaskStore
from meetingtasks.submission import Submission

#: how long a key is remembered, from its first use
KEPT_S: Final = 86_400


@dataclass(frozen=True)
class Duplicate:
    """A submission that was made before, as this task."""

    task_id: str


def settle(store: TaskStore, submissions: Sequence[Submission]) -> list[Submission | Duplicate | TaskConflict]:
    """Look at the keys of submissions, in order: what is to be sent, under which id, and what is there already.

    A TaskConflict (code ``idempotency_conflict``) stands for a key that was used for another request.
    """
    keyed = [(s, s.claim) for s in submissions if s.claim is not None]
    if not keyed:
        return list(submissions)
    standing = store.claim_many([(claim.name, s.task_id, claim.digest) for s, claim in keyed], kept_s=KEPT_S)
    known = store.known([task_id for task_id, _ in standing])
    settled = {
        id(submission): _settled(submission, first, is_there=first[0] in known, own=claim.digest)
        for (submission, claim), first in zip(keyed, standing, strict=True)
    }
    return [settled.get(id(submission), submission) for submission in submissions]


def _settled(
    submission: Submission, first: tuple[str, str], *, is_there: bool, own: str
) -> Submission | Duplicate | TaskConflict:
    task_id, digest = first
    if digest != own:
        return TaskConflict(
            f"this idempotency key was used for another request, which became task {task_id}",
            code="idempotency_conflict",
            task_id=task_id,
        )
    return Duplicate(task_id) if is_there else replace(submission, task_id=task_id)
