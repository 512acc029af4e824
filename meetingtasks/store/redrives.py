"""Redrives: bulk requeues at a rate. Plan and position live on the server, so any process can go on with one.

One process at a time drives: its token stands in the record, and a step of a process that was replaced, or of a redrive
that was paused meanwhile, does nothing. Position and counts change in the transaction that requeues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from redis.client import Pipeline

from meetingtasks.errors import MeetingTasksError, TaskConflict, TaskNotFound
from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.dead_letters import AUDIT_LENGTH, Act, Position
from meetingtasks.store.requeueing import Going, Outcomes
from meetingtasks.store.scripts import Value, load

KEPT_S: Final = 7 * 86_400
SETTLED_AT_ONCE: Final = 500


@dataclass(frozen=True, kw_only=True)
class RedrivePlan:
    """What a redrive does: at which rate, where to, how many at most, and when it stops by itself."""

    rate_per_s: float
    queue: str | None = None  # None: where each letter was
    limit: int | None = None
    canary: int = 0  # so many go first, and the others only when these have ended
    stop_above_percent: float | None = None  # of the requeued tasks that have ended, share that failed again


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """One redrive as it stands."""

    id: str
    state: str  # running, paused, done, stopped, aborted
    reason: str
    actor: str
    driver: str
    created_ms: int
    where: dict[str, Any]
    plan: RedrivePlan
    matched: int  # letters when it began
    requeued: int
    refused: int
    ended: int  # of the requeued ones
    failed: int  # of those that have ended
    position: Position | None

    @property
    def failed_percent(self) -> float:
        """Share of the ended tasks that failed again."""
        return 100.0 * self.failed / self.ended if self.ended else 0.0


class Replaced(MeetingTasksError):
    """A step that is no longer wanted: the redrive was stopped, or another process drives it."""

    code = "redrive_replaced"


class RedriveStore:
    """The redrives on one server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, where: Mapping[str, Any], plan: RedrivePlan, *, matched: int, actor: str, now_ms: int) -> str:
        """Keep a plan; nothing is requeued before somebody drives it."""
        redrive_id = uuid4().hex[:12]
        fields = {
            "state": "paused",
            "reason": "",
            "actor": actor,
            "driver": "",
            "created_ms": now_ms,
            "where": json.dumps(dict(where), ensure_ascii=False),
            "plan": json.dumps(vars(plan)),
            "matched": matched,
        }
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.redrive(redrive_id), mapping=fields)
            pipe.zadd(keys.REDRIVES, {redrive_id: now_ms})
            pipe.execute()
        return redrive_id

    def get(self, redrive_id: str) -> Redrive:
        """Read one; TaskNotFound when there is none."""
        fields = self.client.hgetall(keys.redrive(redrive_id))
        if not fields:
            raise TaskNotFound(f"there is no redrive {redrive_id!r}", redrive_id=redrive_id)
        return _read(redrive_id, fields)

    def all(self) -> list[Redrive]:
        """Return all that are kept, the newest first."""
        ids = self.client.zrange(keys.REDRIVES, 0, -1, desc=True)
        pipe = self.client.pipeline(transaction=False)
        for redrive_id in ids:
            pipe.hgetall(keys.redrive(redrive_id))
        found = list(zip(ids, pipe.execute(), strict=True))
        gone = [redrive_id for redrive_id, fields in found if not fields]
        if gone:
            self.client.zrem(keys.REDRIVES, *gone)
        return [_read(redrive_id, fields) for redrive_id, fields in found if fields]

    def move(
        self, redrive_id: str, state: str, *, allowed: Sequence[str], actor: str, reason: str = "", driver: str = ""
    ) -> Redrive:
        """Change its state from one of ``allowed``, or TaskConflict; ``driver`` names the process that drives now."""
        args: list[Value] = [redrive_id, state, reason, actor, driver, KEPT_S, AUDIT_LENGTH, *allowed]
        script_keys = [keys.redrive(redrive_id), keys.redrive_open(redrive_id), keys.DEAD_AUDIT]
        before = load("dead_redrive")(self.client, script_keys, args)
        redrive = self.get(redrive_id)
        if before not in allowed:
            raise TaskConflict(f"redrive {redrive_id} is {before}", state=before)
        return redrive

    def settle(self, redrive: Redrive, first: int) -> int:
        """Count the ends of requeued tasks, from number ``first`` of the open ones; returns where to go on."""
        ids = self.client.zrange(keys.redrive_open(redrive.id), first, first + SETTLED_AT_ONCE - 1)
        pipe = self.client.pipeline(transaction=False)
        for task_id in ids:
            pipe.hmget(keys.task(task_id), "state", "requeue")
        ended: list[Value] = []
        for task_id, (state, act) in zip(ids, pipe.execute(), strict=True):
            if act != redrive.id:  # requeued again by somebody else: it had failed; or its record's time is over
                ended += [task_id, "failed" if act else "ended"]
            elif state in ("failed", "timeout"):
                ended += [task_id, "failed"]
            elif state in ("completed", "cancelled", "expired"):
                ended += [task_id, "ended"]
        if ended:
            script_keys = [keys.redrive(redrive.id), keys.redrive_open(redrive.id)]
            load("dead_redrive_settle")(self.client, script_keys, ended)
        return 0 if len(ids) < SETTLED_AT_ONCE else first + len(ids) - len(ended) // 2


class Step:
    """The part of a redrive in the transaction that requeues some letters; see ``requeueing.Guard``."""

    def __init__(self, client: Client, redrive: Redrive, *, now_ms: int, last: Position) -> None:
        self._client = client
        self._redrive = redrive
        self._now_ms = now_ms
        self._last = str(last)
        self._is_done = False

    @property
    def watched(self) -> Sequence[str]:
        """The redrive's record."""
        return [keys.redrive(self._redrive.id)]

    def check(self) -> None:
        """Raise Replaced when this process does not drive any more."""
        state, driver, position = self._client.hmget(self.watched[0], "state", "driver", "position")
        if (state, driver) != ("running", self._redrive.driver):
            raise Replaced(f"redrive {self._redrive.id} is {state}")
        self._is_done = position == self._last  # by an earlier try, whose answer was lost

    def add(self, pipe: Pipeline, outcomes: Outcomes, going: Sequence[Going]) -> None:
        """Write the position and the counts."""
        if self._is_done:
            return
        key = self.watched[0]
        pipe.hset(key, "position", self._last)
        pipe.hincrby(key, "requeued", len(going))
        pipe.hincrby(key, "refused", sum(problem is not None for problem in outcomes.values()))
        if going:
            pipe.zadd(keys.redrive_open(self._redrive.id), {one.letter.record.id: self._now_ms for one in going})


def act_of(redrive: Redrive) -> Act:
    """Return the act under which a redrive's letters are requeued."""
    return Act(actor=redrive.actor, name=redrive.id)


def _read(redrive_id: str, fields: Mapping[str, str]) -> Redrive:
    return Redrive(
        id=redrive_id,
        state=fields["state"],
        reason=fields["reason"],
        actor=fields["actor"],
        driver=fields["driver"],
        created_ms=int(fields["created_ms"]),
        where=json.loads(fields["where"]),
        plan=RedrivePlan(**json.loads(fields["plan"])),
        matched=int(fields["matched"]),
        requeued=int(fields.get("requeued", 0)),
        refused=int(fields.get("refused", 0)),
        ended=int(fields.get("ended", 0)),
        failed=int(fields.get("failed", 0)),
        position=Position.parse(fields["position"]) if fields.get("position") else None,
    )
