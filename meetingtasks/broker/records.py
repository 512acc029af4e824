"""What the broker's functions take and give: messages on their way in, under a lease, and looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import quote

#: A message of weight 1 moves its meeting's lane this far; a heavier weight moves it less.
COST: Final = 1000
NORMAL_PRIORITY: Final = 6
LONGEST_NAME: Final = 200
HEADER: Final = re.compile(rb"(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\S*) ?(\S*)\n")


class Verdict(StrEnum):
    """Why a fetched message must not run; empty: it may."""

    RUN = ""
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"


class Placed(StrEnum):
    """Where an enqueued message went."""

    READY = "ready"
    DELAYED = "delayed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to enqueue.

    ``mark`` names the submission: repeating it within ``dedupe_s`` after the message was acked enqueues nothing.
    ``priority`` runs from 0, the most important, to 9. ``lifetime_ms`` 0 means that the message never expires.
    ``cap`` says under which cap it runs, see `cap_text`.
    """

    id: str
    payload: bytes
    priority: int = NORMAL_PRIORITY
    delay_ms: int = 0
    lifetime_ms: int = 0
    cost: int = COST
    key: str = ""
    mark: str = ""
    cap: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the queue keeps it; times are the server's, in ms since 1970."""

    id: str
    priority: int
    rank: int
    deliveries: int
    deferrals: int
    enqueued_ms: int
    expires_ms: int
    key: str
    payload: bytes = field(repr=False)

    @classmethod
    def read(cls, message_id: str, value: bytes) -> Stored:
        """Read what the scripts keep: a header line and the message; raises `ValueError` on anything else."""
        header = HEADER.match(value)
        if header is None:
            raise ValueError(f"the stored message {message_id!r} has no header line")
        level, rank, _, deliveries, deferrals, enqueued, expires = map(int, header.groups()[:7])
        key = header[9].decode("utf-8", "replace")
        return cls(message_id, level, rank, deliveries, deferrals, enqueued, expires, key, value[header.end() :])


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this consumer may run until its lease ends; ``owner`` is the fencing token."""

    queue: str
    id: str
    owner: str
    verdict: Verdict
    stored: Stored

    @property
    def payload(self) -> bytes:
        """The message as it was enqueued."""
        return self.stored.payload


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought.

    ``wait_ms`` is the time until something of these queues is due, None when nothing is. ``foreign`` counts messages of
    other programs that wait for adoption. ``lost`` are the positions of the acknowledgements that came too late.
    """

    wait_ms: int | None
    foreign: int
    lost: tuple[int, ...]
    messages: tuple[Leased, ...]


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How much a queue holds; ``parked`` messages wait for a cap.

    ``oldest_s`` is the age of the next ready message, None when none is ready.
    """

    ready: dict[int, int]
    delayed: int
    leased: int
    dead: int
    foreign: int
    parked: int
    oldest_s: float | None
    counters: dict[str, int]

    @property
    def total_ready(self) -> int:
        """Ready messages of all priorities."""
        return sum(self.ready.values())


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a message is parked: its cap, how many of it are in work, how many may be, and start per second."""

    cap: str
    in_work: int
    most: int | None
    per_s: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one message is.

    ``place`` is ready, delayed, parked, leased, dead or unknown. ``position`` counts the messages ahead of a ready
    one, and those of the same cap ahead of a parked one, which ``blocked`` explains; ``in_s`` is the time until a
    delayed one is due or a lease ends; ``owner`` holds the lease; ``reason`` of the death.
    """

    queue: str
    id: str
    place: str
    message: Stored | None = None
    position: int | None = None
    in_s: float | None = None
    owner: str | None = None
    reason: str | None = None
    blocked: Blocked | None = None


def cap_text(name: str, most: int | None = None) -> str:
    """Return a cap as messages carry it: its name, and how many may be in work where nothing else is set."""
    quoted = quote(name, safe="")[:LONGEST_NAME]
    return quoted if most is None else f"{quoted}={most}"
