"""The dead letters: where they stand, how to walk over them, and what is done to them except requeueing.

A dead letter is its task's record with a mark. Each act on it is one script that also writes the audit: who, what and
when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.scripts import Value, load
from meetingtasks.store.tasks import life

AUDIT_LENGTH: Final = 100_000
AT_ONCE: Final = 500
#: what is looked at to choose among dead letters, without reading all of them
FACTS: Final = ("type", "queue", "error_class", "error_code", "fingerprint", "meeting_id")
#: what a message carries beside its task's payload and is needed to send it again; a chord's join is over by then
CARRIED: Final = (
    *("args", "callbacks", "errbacks", "chain", "group", "root_id", "parent_id", "timelimit"),
    *("mt_key", "mt_weight"),
)


def carried_by(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a message's headers and callbacks."""
    return {name: parts[name] for name in CARRIED if parts.get(name)}


@dataclass(frozen=True, order=True)
class Position:
    """A place among the dead letters, in order of their deaths."""

    died_ms: int
    task_id: str

    def __str__(self) -> str:
        return f"{self.died_ms}-{self.task_id}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what ``str`` gives; ValueError when it is none."""
        died_ms, separator, task_id = text.partition("-")
        if not separator or not task_id:
            raise ValueError(f"{text!r} is no position among the dead letters")
        return cls(int(died_ms), task_id)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Which dead letters are walked over: of one fingerprint, within a time, from a position on, in which direction."""

    fingerprint: str | None = None
    since_ms: int = 0
    until_ms: int | None = None  # inclusive
    after: Position | None = None
    oldest_first: bool = False

    @property
    def key(self) -> str:
        """The index that is walked over."""
        return keys.DEAD if self.fingerprint is None else keys.dead_group(self.fingerprint)


@dataclass(frozen=True, kw_only=True)
class Act:
    """Who does something to dead letters; all that is done by one call has one name."""

    actor: str
    name: str


class DeadLetterStore:
    """The dead letters on one server."""

    def __init__(self, client: Client, *, record_ttl_s: int = 86_400, stream_length: int = 100_000) -> None:
        self.client = client
        self.stream_length = stream_length
        self._ttl_s = record_ttl_s

    # -- looking ----------------------------------------------------------------------------------------------------

    def count(self, stretch: Stretch) -> int:
        """Count the letters of a stretch; its position and direction do not matter."""
        upper = "+inf" if stretch.until_ms is None else stretch.until_ms
        return int(self.client.zcount(stretch.key, stretch.since_ms, upper))

    def walk(self, stretch: Stretch) -> Iterator[tuple[Position, dict[str, str]]]:
        """Yield each letter's position and ``FACTS``; those that leave meanwhile may be missing, none comes twice."""
        last = stretch.after
        while places := self._next(stretch, last):
            pipe = self.client.pipeline(transaction=False)
            for place in places:
                pipe.hmget(keys.task(place.task_id), FACTS)
            for place, values in zip(places, pipe.execute(), strict=True):
                yield place, {name: value or "" for name, value in zip(FACTS, values, strict=True)}
            last = places[-1]

    def _next(self, stretch: Stretch, last: Position | None) -> list[Position]:
        low: Any = stretch.since_ms
        high: Any = "+inf" if stretch.until_ms is None else stretch.until_ms
        twins = 0
        if last is not None:
            low, high = (last.died_ms, high) if stretch.oldest_first else (low, last.died_ms)
            # those that died in the same millisecond stand in order of their ids; the ones before are left out below
            twins = int(self.client.zcount(stretch.key, last.died_ms, last.died_ms))
        bounds = (low, high) if stretch.oldest_first else (high, low)
        found = self.client.zrange(
            stretch.key,
            *bounds,
            byscore=True,
            desc=not stretch.oldest_first,
            offset=0,
            num=AT_ONCE + twins,
            withscores=True,
        )
        places = [Position(int(score), task_id) for task_id, score in found]
        if last is not None:
            places = [place for place in places if (place > last if stretch.oldest_first else place < last)]
        return places[:AT_ONCE]

    def fingerprints(self) -> list[tuple[str, int, Position, Position]]:
        """Return per fingerprint how many there are, the first and the newest; the newest fingerprint first."""
        names: list[str] = self.client.zrange(keys.DEAD_FINGERPRINTS, 0, -1, desc=True)
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.zcard(keys.dead_group(name))
            pipe.zrange(keys.dead_group(name), 0, 0, withscores=True)
            pipe.zrange(keys.dead_group(name), -1, -1, withscores=True)
        replies = pipe.execute()
        rows = zip(names, replies[::3], replies[1::3], replies[2::3], strict=True)
        # one may have gone between two looks
        return [(name, count, _place(first), _place(last)) for name, count, first, last in rows if first and last]

    def now_ms(self) -> int:
        """Return the server's time, by which deaths are written down."""
        seconds, microseconds = self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def audit(self, limit: int = 100) -> list[dict[str, str]]:
        """Return the newest acts, the newest first."""
        return [dict(entry) for _, entry in self.client.xrevrange(keys.DEAD_AUDIT, count=limit)]

    def lately(self, seconds: int) -> int:
        """Count the letters that died within the last seconds."""
        return int(self.client.zcount(keys.DEAD, self.now_ms() - seconds * 1000, "+inf"))

    # -- acting -----------------------------------------------------------------------------------------------------

    def edit(self, task_id: str, payload: str, *, before: str, actor: str) -> bool:
        """Give a letter another payload (JSON); False when it is none, or its payload is no longer ``before``."""
        args: list[Value] = [task_id, payload, before, actor, AUDIT_LENGTH]
        return bool(load("dead_edit")(self.client, [keys.task(task_id), keys.DEAD_AUDIT], args))

    def purge(self, task_ids: Iterable[str], act: Act) -> list[str]:
        """Give letters up; returns the ids of those that were letters."""
        script, ids = load("dead_purge"), list(task_ids)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.script_load(script.source)
            for task_id in ids:
                args: list[Value] = [task_id, self.stream_length, act.name, act.actor, self._ttl_s]
                script.put_on(pipe, [*life(task_id), keys.DEAD_AUDIT], [*args, AUDIT_LENGTH])
            went = pipe.execute()[1:]
        return [task_id for task_id, gone in zip(ids, went, strict=True) if gone]


def _place(found: Sequence[tuple[str, float]]) -> Position:
    ((task_id, died_ms),) = found
    return Position(int(died_ms), task_id)
