"""Idempotency keys: a submission that is repeated under the same key is the task that was there first.

The key of an owner (tenant and user) is claimed for a task id before anything is sent: one command, which tells any
number of callers who came first. Then record and message are written in one transaction under the claimed id, where
the second of two changes nothing. So a process that dies between the two leaves a claim without a task, and the next
repeat submits the task under the claimed id. The record is kept as long as the claim, so a repeat always finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeVar

from meetingtasks.errors import TaskConflict
from meetingtasks.requests import TaskRequest
from meetingtasks.store.tasks import TaskStore

#: how long a key is remembered, from its first use
KEPT_S: Final = 86_400
#: what may differ between two requests that are the same
_NOT_COMPARED: Final = frozenset({"task_id", "trace_id", "idempotency_key"})


@dataclass(frozen=True)
class Claim:
    """An idempotency key: its name among all owners' keys, and the digest of the request that it stands for."""

    name: str
    digest: str


@dataclass(frozen=True)
class Duplicate:
    """A submission that was made before, as this task."""

    task_id: str


class Keyed(Protocol):
    """What is to be sent, as a submission or from the outbox, and what its key claims."""

    @property
    def task_id(self) -> str:
        """The task's id."""

    @property
    def claim(self) -> Claim | None:
        """What its idempotency key claims; None without one."""

    def under(self, task_id: str) -> Self:
        """Return it under another id."""


KeyedT = TypeVar("KeyedT", bound=Keyed)


def claim_of(request: TaskRequest, task_type: str, payload: Mapping[str, Any]) -> Claim | None:
    """Return what a request's key claims, by the type's own name and the checked payload; None without a key."""
    if request.idempotency_key is None:
        return None
    owner = [None if key is None else str(key) for key in (request.project_id, request.user_id)]
    asked = request.model_dump(mode="json", exclude=set(_NOT_COMPARED)) | {"type": task_type, "payload": payload}
    return Claim(_digest([*owner, request.idempotency_key]), _digest(asked))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:40]


def settle(store: TaskStore, submissions: Sequence[KeyedT]) -> list[KeyedT | Duplicate | TaskConflict]:
    """Look at the keys of submissions, in order: what is to be sent, under which id, and what is there already.

    A TaskConflict (code ``idempotency_conflict``) stands for a key that was used for another request.
    """
    keyed = [(s, s.claim) for s in submissions if s.claim is not None]
    if not keyed:
        return list(submissions)
    standing = store.claim_many([(claim.name, s.task_id, claim.digest) for s, claim in keyed], kept_s=KEPT_S)
    known = store.known([task_id for task_id, _ in standing])
    settled = {
        id(submission): _settled(submission, first, is_there=first[0] in known, own=claim)
        for (submission, claim), first in zip(keyed, standing, strict=True)
    }
    return [settled.get(id(submission), submission) for submission in submissions]


def answer(own: Claim, task_id: str, digest: str) -> Duplicate | TaskConflict:
    """Say what a key is answered that stands for a task already."""
    if digest == own.digest:
        return Duplicate(task_id)
    return TaskConflict(
        f"this idempotency key was used for another request, which became task {task_id}",
        code="idempotency_conflict",
        task_id=task_id,
    )


def _settled(
    submission: KeyedT, first: tuple[str, str], *, is_there: bool, own: Claim
) -> KeyedT | Duplicate | TaskConflict:
    told = answer(own, *first)
    return told if is_there or isinstance(told, TaskConflict) else submission.under(told.task_id)
