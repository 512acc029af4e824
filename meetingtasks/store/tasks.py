"""The records of tasks: one typed function per atomic change, and the reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, cast

from redis.client import Pipeline

from meetingtasks.records import Progress, TaskError, TaskRecord, from_fields, to_fields
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.scripts import Value, load

Told = Literal["ok", "cancel", "lost"]

#: the keys of the fleet that every script gets first which makes or ends tasks
FLEET: Final = (keys.LIVE, keys.COUNTS, keys.STREAM, keys.DEAD)
#: tasks that one script cancels or reads: what others wait for meanwhile stays below 50 ms
AT_ONCE: Final = 500


@dataclass(frozen=True, kw_only=True)
class Run:
    """Who runs an attempt: the fencing token and where."""

    token: str
    worker: str
    pid: int


@dataclass(frozen=True)
class Refused:
    """A message that must not run: its task has ended, or a later attempt is planned."""

    why: str


@dataclass(frozen=True, kw_only=True)
class End:
    """How a task ends."""

    state: TaskState
    result: Any = None
    error: TaskError | None = None
    meta: str = "{}"  # Celery's result meta as JSON, for those who wait
    children: str = "[]"
    partial: bool = False
    dead: bool = False
    payload: Any = None  # of a dead letter, kept where the record has none
    carried: Mapping[str, Any] = field(default_factory=dict)  # by a dead letter's message, beside its payload
    number: int | None = None  # of the message that ends, where only its own attempt may be meant


@dataclass(frozen=True)
class Cancelling:
    """What a cancellation came to; ``queue`` is set where the message of retry ``retries`` may be dropped now."""

    task_id: str
    outcome: str  # cancelled, running (told), unknown, or the final state that it had
    now: bool  # it has ended by this cancellation
    queue: str
    retries: int


class TaskStore:
    """The task records on one server."""

    def __init__(self, client: Client, *, record_ttl_s: int = 86_400, stream_length: int = 100_000) -> None:
        self.client = client
        self._ttl_s = record_ttl_s
        self._cap = stream_length

    def create(
        self, task_id: str, values: Mapping[str, Any], *, parent: str | None = None, pipe: Pipeline | None = None
    ) -> bool:
        """Accept a task; False when the id is taken. With ``pipe`` the command only joins that transaction.

        ``parent`` is the task that submits it while it runs: its meeting and its cancellation are inherited.
        """
        script = load("create")
        script_keys = life(task_id) if parent is None else [*life(task_id), keys.task(parent)]
        args: list[Value] = [task_id, self._cap, self._ttl_s, *_flat(to_fields(values))]
        if pipe is not None:
            script.put_on(pipe, script_keys, args)
            return True
        return bool(script(self.client, script_keys, args))

    def create_many(self, values: Mapping[str, Mapping[str, Any]]) -> list[bool]:
        """Accept several tasks in one transaction; False for an id that is taken."""
        pipe = self.client.pipeline(transaction=True)
        pipe.script_load(load("create").source)
        for task_id, first in values.items():
            self.create(task_id, first, pipe=pipe)
        return [bool(created) for created in pipe.execute()[1:]]

    def start(self, task_id: str, run: Run, *, retries: int, otherwise: Mapping[str, Any]) -> TaskRecord | Refused:
        """Ask for the right to run; ``otherwise`` makes a record for a message that came without one."""
        reply = load("start")(
            self.client,
            life(task_id),
            [task_id, self._cap, retries, run.token, run.worker, run.pid, self._ttl_s, *_flat(to_fields(otherwise))],
        )
        if reply[0] == "refused":
            return Refused(reply[1])
        return from_fields(dict(zip(reply[1::2], reply[2::2], strict=True)))

    def progress(self, task_id: str, token: str, progress: Progress) -> Told:
        """Report how far the running attempt is."""
        reply = load("progress")(
            self.client,
            [keys.task(task_id)],
            [
                *(task_id, token, progress.percent, progress.step),
                *(progress.completed_steps, progress.total_steps, progress.message),
            ],
        )
        return cast("Told", reply)

    def finish(self, task_id: str, token: str, end: End, *, worker: str = "", pipe: Pipeline | None = None) -> str:
        """Write a task's end; returns the state that stands now, or ``lost`` when the token owns nothing any more.

        Without a token, ``worker`` names whose run is ended; empty: whoever's.
        With ``pipe`` the command only joins that transaction, and the asked-for state is returned.
        """
        script = load("finish")
        script_keys = life(task_id)
        args: list[Value] = [task_id, self._cap, token, worker, end.state.value, self._ttl_s]
        args += ["1" if end.dead else "0", end.meta, end.error.message if end.error else ""]
        args += ["" if end.number is None else end.number, "" if end.payload is None else _dump(end.payload)]
        args += _flat(_fields_of(end))
        if pipe is not None:
            script.put_on(pipe, script_keys, args)
            return end.state.value
        return str(script(self.client, script_keys, args))

    def retry(
        self,
        task_id: str,
        retries: int,
        *,
        token: str,
        eta_ms: int | None,
        why: str,
        pipe: Pipeline | None = None,
    ) -> bool:
        """Plan the next attempt after the token's; False when it is on record. ``pipe``: join that transaction."""
        script = load("retry")
        script_keys = [keys.task(task_id), keys.COUNTS, keys.STREAM]
        args: list[Value] = [task_id, self._cap, retries, "" if eta_ms is None else eta_ms, why, token]
        if pipe is not None:
            script.put_on(pipe, script_keys, args)
            return True
        return bool(script(self.client, script_keys, args))

    def cancel(self, task_id: str, *, reason: str = "", actor: str = "", only_waiting: bool = False) -> str:
        """Cancel; returns ``cancelled`` (it never starts), ``running`` (told), ``unknown``, or the final state.

        With ``only_waiting`` a running task is left alone.
        """
        return self.cancel_many([task_id], reason=reason, actor=actor, only_waiting=only_waiting)[0].outcome

    def cancel_many(
        self, task_ids: Sequence[str], *, reason: str = "", actor: str = "", only_waiting: bool = False
    ) -> list[Cancelling]:
        """Cancel tasks, 500 in one step; in the order of the ids. See ``cancel``."""
        answers: list[Cancelling] = []
        for some in batched(task_ids):
            script_keys = [*FLEET, *(key for task_id in some for key in (keys.task(task_id), keys.done(task_id)))]
            args: list[Value] = [self._cap, reason, actor, self._ttl_s, "1" if only_waiting else "0", *some]
            reply = load("cancel")(self.client, script_keys, args)
            for task_id, answer in zip(some, reply, strict=True):
                outcome, now, retries, queue = answer.split(" ", 3)
                answers.append(Cancelling(task_id, outcome, now == "1", queue, int(retries)))
        return answers

    def claim_many(self, wanted: Sequence[tuple[str, str, str]], *, kept_s: int) -> list[tuple[str, str]]:
        """Claim idempotency keys, each (name, task id, digest); returns the (task id, digest) that each stands for now.

        That is the own one for who came first, and the first one's for ``kept_s`` seconds from then on.
        """
        pipe = self.client.pipeline(transaction=False)
        for name, task_id, digest in wanted:
            pipe.set(keys.claim(name), f"{task_id} {digest}", ex=kept_s, nx=True, get=True)
        standing = zip(wanted, pipe.execute(), strict=True)
        return [
            cast("tuple[str, str]", tuple(found.split(" ", 1))) if found else (task_id, digest)
            for (_, task_id, digest), found in standing
        ]

    def known(self, task_ids: Sequence[str]) -> set[str]:
        """Return those of the tasks that have a record."""
        found = self.some_fields(task_ids, ["state"])
        return {task_id for task_id, stored in zip(task_ids, found, strict=True) if stored["state"] is not None}

    def cancel_asked(self, task_id: str, token: str) -> bool:
        """Tell whether the running attempt should stop: cancelled, or no longer the owner."""
        cancel_ms, owner = self.client.hmget(keys.task(task_id), "cancel_ms", "token")
        return cancel_ms is not None or owner != token

    def is_over(self, task_id: str) -> bool:
        """Tell whether a task has ended, or its cancellation was asked for, or there is no record of it."""
        cancel_ms, state = self.client.hmget(keys.task(task_id), "cancel_ms", "state")
        return cancel_ms is not None or state is None or TaskState(state).is_final

    def get(self, task_id: str) -> TaskRecord | None:
        """Read one record, or None."""
        fields = self.client.hgetall(keys.task(task_id))
        return from_fields(fields) if fields.get("state") else None

    def field(self, task_id: str, name: str) -> str | None:
        """Read one field of a stored hash."""
        return cast("str | None", self.client.hget(keys.task(task_id), name))

    def get_fields(self, task_ids: Iterable[str]) -> list[dict[str, str]]:
        """Read several stored hashes in one round trip; an unknown id gives an empty one."""
        pipe = self.client.pipeline(transaction=False)
        for task_id in task_ids:
            pipe.hgetall(keys.task(task_id))
        return cast("list[dict[str, str]]", pipe.execute())

    def some_fields(self, task_ids: Iterable[str], names: Sequence[str]) -> list[dict[str, str | None]]:
        """Read a few fields of several stored hashes in one round trip; None where there is none."""
        pipe = self.client.pipeline(transaction=False)
        for task_id in task_ids:
            pipe.hmget(keys.task(task_id), *names)
        return [dict(zip(names, found, strict=True)) for found in pipe.execute()]

    def get_many(self, task_ids: Iterable[str]) -> list[TaskRecord | None]:
        """Read several records in one round trip."""
        return [from_fields(fields) if fields.get("state") else None for fields in self.get_fields(task_ids)]

    def live_ids(self, limit: int = 100) -> list[str]:
        """Return the ids of the newest tasks that have not ended."""
        return list(self.client.zrange(keys.LIVE, 0, limit - 1, desc=True))

    def dead_ids(self, limit: int = 100) -> list[str]:
        """Return the ids of the newest dead letters."""
        return list(self.client.zrange(keys.DEAD, 0, limit - 1, desc=True))

    def counts(self) -> dict[str, int]:
        """Return how often each event happened, by name: ``completed``, ``ai_tasks:completed``."""
        return {name: int(value) for name, value in self.client.hgetall(keys.COUNTS).items()}

    def live_count(self) -> int:
        """Return how many tasks have not ended."""
        return int(self.client.zcard(keys.LIVE))

    def forget(self, task_id: str) -> None:
        """Drop a finished task's record; a live one and a dead letter stay."""
        load("forget")(self.client, [keys.task(task_id)], [])


def life(task_id: str) -> list[str]:
    """Return the keys of a script that makes or ends tasks, as ``life`` in ``lua/common.lua`` reads them."""
    return [*FLEET, keys.task(task_id), keys.done(task_id)]


def _fields_of(end: End) -> dict[str, str]:
    fields = {"partial": "1" if end.partial else "0", "children": end.children}
    if end.result is not None:
        fields["result"] = json.dumps(end.result, ensure_ascii=False, separators=(",", ":"))
    if end.error is not None:
        fields["error"] = json.dumps(asdict(end.error), ensure_ascii=False, default=repr)
    if end.dead:
        fields["carried"] = _dump(end.carried)
        if end.error is not None:
            about = {"fingerprint": end.error.fingerprint, "error_class": end.error.error_class}
            fields |= {name: value for name, value in about.items() if value} | {"error_code": end.error.code}
    return fields


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def batched(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a list of ids into parts that one script may take."""
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
