"""The broker's atomic changes: one Lua file each, one typed function each.

A function returns a `Call`: run it on a client, put it on a pipeline, or send its command on a connection of the event
loop and read the reply with the same `Call`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import unquote

from redis.exceptions import NoScriptError

from meetingtasks.broker.records import (
    Blocked,
    Explanation,
    Fetched,
    Leased,
    Outgoing,
    Placed,
    QueueSize,
    Stored,
    Verdict,
)

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client, Pipeline
    from meetingtasks.broker.keys import QuarantineKeys, QueueKeys

Value = str | bytes | int
Answer = TypeVar("Answer")
NAMES: Final = (
    "enqueue",
    "fetch",
    "ack",
    "renew",
    "release",
    "abandon",
    "reject",
    "expire",
    "revive",
    "size",
    "peek",
    "purge",
    "explain",
    "limit",
    "quarantine",
    "collect",
)
PLACED: Final = (Placed.REFUSED, Placed.READY, Placed.DELAYED)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script, sent by its hash."""

    name: str
    source: str
    sha: str


@functools.cache
def load(name: str) -> Script:
    """Read ``lua/<name>.lua``, with the functions of ``lua/common.lua`` in front."""
    folder = resources.files("meetingtasks.broker") / "lua"
    flags, own = _without_flags((folder / f"{name}.lua").read_text("utf-8"))
    source = flags + (folder / "common.lua").read_text("utf-8") + own
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _without_flags(source: str) -> tuple[str, str]:
    """Split off a first line ``#!lua flags=…``: the server wants it before everything else.

    ``allow-oom`` lets what is taken end although the server's memory is full: that is how it gets room again.
    """
    if not source.startswith("#!"):
        return "", source
    flags, _, rest = source.partition("\n")
    return f"{flags}\n", rest


_companions: dict[str, Script] = {}


def join(name: str, source: str) -> str:
    """Let connections know a companion's script too, for transactions with it; returns its hash."""
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    _companions[sha] = Script(name, source, sha)
    return sha


def known() -> list[Script]:
    """Return every script that a server must know: the broker's own and its companions'."""
    return [*map(load, NAMES), *_companions.values()]


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One run of a script, ready to be sent."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Value]
    read: Callable[[Any], Answer]

    @property
    def command(self) -> tuple[Value, ...]:
        """The command to send; the server must know the script (see `teach`)."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def run(self, client: Client) -> Answer:
        """Run it now; a server that does not know the script learns it."""
        try:
            reply = client.execute_command(*self.command)
        except NoScriptError:
            client.script_load(self.script.source)
            reply = client.execute_command(*self.command)
        return self.read(reply)

    def put_on(self, pipe: Pipeline) -> None:
        """Add it to a pipeline; `read` its reply afterwards. The server must know the script."""
        pipe.execute_command(*self.command)


def teach(client: Client) -> None:
    """Make the server learn every script, in one round trip."""
    with client.pipeline(transaction=False) as pipe:
        for script in known():
            pipe.script_load(script.source)
        pipe.execute()


def enqueue(keys: QueueKeys, messages: Iterable[Outgoing], *, dedupe_ms: int) -> Call[list[Placed]]:
    """Put messages into a queue, each at most once."""
    args: list[Value] = [dedupe_ms]
    for m in messages:
        args += (m.id, m.mark, m.priority, m.delay_ms, m.lifetime_ms, m.cost, m.key, m.cap, m.payload)
    return Call(load("enqueue"), keys.block, args, lambda reply: [PLACED[number] for number in reply])


@dataclass(frozen=True, slots=True)
class FetchTerms:
    """On what terms messages are handed out; times in ms, ``max_deliveries`` deaths of its worker kill a message."""

    lease_ms: int
    max_deliveries: int
    silence_ms: int
    grace_ms: int
    dedupe_ms: int
    longest_block_ms: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A message that is done: its queue, id, owner and submission mark."""

    queue: str
    id: str
    owner: str
    mark: str = ""


def fetch(
    queues: Sequence[QueueKeys],
    wanted: int,
    owner: str,
    terms: FetchTerms,
    *,
    acks: Sequence[Acknowledgement] = (),
    turn: int = 0,
) -> Call[Fetched]:
    """Acknowledge what is finished, then lease up to ``wanted`` messages of these queues, the most important first."""
    names = [keys.queue for keys in queues]
    numbers = {name: number for number, name in enumerate(names)}
    args: list[Value] = [wanted, terms.lease_ms, owner, terms.max_deliveries, terms.silence_ms, terms.grace_ms]
    args += (terms.dedupe_ms, terms.longest_block_ms, turn)
    for ack_ in acks:
        args += (numbers[ack_.queue], ack_.id, ack_.owner, ack_.mark)
    return Call(load("fetch"), [key for keys in queues for key in keys.block], args, _fetched(names, owner))


def _fetched(names: Sequence[str], owner: str) -> Callable[[Any], Fetched]:
    def read(reply: Any) -> Fetched:
        wait_ms, foreign, lost, entries = reply
        messages = [_leased(entry, names, owner) for entry in entries]
        return Fetched(None if wait_ms < 0 else int(wait_ms), foreign, tuple(map(int, lost)), tuple(messages))

    return read


def _leased(entry: bytes, names: Sequence[str], owner: str) -> Leased:
    head, _, rest = entry.partition(b"\n")
    number, length, verdict = head.split(b" ")
    message_id, value = rest[: int(length)].decode("utf-8", "surrogateescape"), rest[int(length) :]
    return Leased(names[int(number)], message_id, owner, Verdict(verdict.decode()), Stored.read(message_id, value))


def ack(keys: QueueKeys, done: Iterable[Acknowledgement], *, dedupe_ms: int) -> Call[list[bool]]:
    """End messages; False for one whose lease was not the owner's."""
    args: list[Value] = [dedupe_ms]
    for message in done:
        args += (message.id, message.owner, message.mark)
    return Call(load("ack"), keys.block, args, _booleans)


def renew(keys: QueueKeys, held: Iterable[tuple[str, str]], *, lease_ms: int) -> Call[list[bool]]:
    """Extend the leases of (message id, owner) pairs; False for one that is lost."""
    return Call(load("renew"), keys.block, [lease_ms, *_flat(held)], _booleans)


def release(
    keys: QueueKeys, held: Iterable[tuple[str, str]], *, counted: bool, max_deliveries: int, delay_ms: int = 0
) -> Call[list[int]]:
    """Give messages back; per message 1 given back, 0 not the owner's, 2 delivered too often and still leased."""
    args: list[Value] = [int(counted), max_deliveries, delay_ms, *_flat(held)]
    return Call(load("release"), keys.block, args, list)


def abandon(keys: QueueKeys, owner: str) -> Call[int]:
    """Give back what a fetch leased whose reply never came; returns how many."""
    return Call(load("abandon"), keys.block, [owner], int)


def reject(keys: QueueKeys, held: Iterable[tuple[str, str]], *, reason: str, keep: bool) -> Call[list[bool]]:
    """Make messages dead letters; ``keep`` is False when a companion keeps them."""
    return Call(load("reject"), keys.block, [reason.replace("\n", " "), int(keep), *_flat(held)], _booleans)


def expire(keys: QueueKeys, held: Iterable[tuple[str, str]]) -> Call[list[bool]]:
    """Drop messages whose start-by time has passed."""
    return Call(load("expire"), keys.block, _flat(held), _booleans)


def revive(keys: QueueKeys, ids: Iterable[str]) -> Call[list[bool]]:
    """Give dead letters back to their queue."""
    return Call(load("revive"), keys.block, list(ids), _booleans)


def size(keys: QueueKeys) -> Call[QueueSize]:
    """Count everything."""

    def read(reply: Any) -> QueueSize:
        ready, delayed, leased, dead, foreign, first_ms, now_ms, flat, parked = reply
        oldest_s = None if int(first_ms) < 0 else (int(now_ms) - int(first_ms)) / 1000
        counters = {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}
        return QueueSize(
            ready={level: int(n) for level, n in enumerate(ready) if n},
            delayed=delayed,
            leased=leased,
            dead=dead,
            foreign=foreign,
            parked=parked,
            oldest_s=oldest_s,
            counters=counters,
        )

    return Call(load("size"), keys.block, (), read)


def peek(keys: QueueKeys, first: int, limit: int) -> Call[list[Stored]]:
    """Look at ready messages in their order."""

    def read(reply: Any) -> list[Stored]:
        return [Stored.read(reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2)]

    return Call(load("peek"), keys.block, [first, limit], read)


def waiting(keys: QueueKeys, *, limit: int) -> Call[list[str]]:
    """Name up to ``limit`` messages that nobody runs."""
    return Call(load("purge"), keys.block, [limit], _ids)


def purge(keys: QueueKeys, ids: Sequence[str]) -> Call[list[str]]:
    """Drop these messages where nobody runs them; returns the ids that were dropped."""
    return Call(load("purge"), keys.block, [len(ids), *ids], _ids)


def _ids(reply: Any) -> list[str]:
    return [message_id.decode() for message_id in reply]


def explain(keys: QueueKeys, message_id: str) -> Call[Explanation]:
    """Say where one message is."""

    def read(reply: Any) -> Explanation:
        place, value, detail, now = reply[0].decode(), reply[1], reply[2].decode(), int(reply[3])
        stored = Stored.read(message_id, value) if value else None
        if place == "ready":
            return Explanation(keys.queue, message_id, place, stored, position=int(detail))
        if place == "delayed":
            return Explanation(keys.queue, message_id, place, stored, in_s=(int(detail) - now) / 1000)
        if place == "leased":
            expiry, owner = detail.split(" ", 1)
            return Explanation(keys.queue, message_id, place, stored, in_s=(float(expiry) - now) / 1000, owner=owner)
        if place == "parked":
            position, name, in_work, most, rate = detail.split(" ")
            known = Blocked(
                cap=unquote(name),
                in_work=int(in_work),
                most=None if most == "inf" else int(most),
                per_s=float(rate) or None,
            )
            return Explanation(keys.queue, message_id, place, stored, position=int(position), blocked=known)
        return Explanation(keys.queue, message_id, place, stored, reason=detail or None)

    return Call(load("explain"), keys.block, [message_id], read)


def limit(keys: QueueKeys, name: str, text: str) -> Call[int]:
    """Set the cap of a name (stored form, see `cap_text`), or with an empty text the default; returns those in work."""
    return Call(load("limit"), keys.block, [name, text], int)


def quarantine(
    keys: QueueKeys, shelf: QuarantineKeys, *, message_id: str, owner: str, entry_id: str, note: str
) -> Call[bool]:
    """Take a leased message out of its queue for good, as it came."""
    args = [message_id, owner, entry_id, note]
    return Call(load("quarantine"), [*keys.block, shelf.index, shelf.entries], args, bool)


def collect(keys: QueueKeys, *, limit: int) -> Call[int]:
    """Bring what stock producers pushed to the inbox; returns how many messages."""
    return Call(load("collect"), [keys.inbox, *keys.stock_lists], [limit], int)


def _flat(held: Iterable[tuple[str, str]]) -> list[Value]:
    return [part for pair in held for part in pair]


def _booleans(reply: Any) -> list[bool]:
    return [bool(answer) for answer in reply]
