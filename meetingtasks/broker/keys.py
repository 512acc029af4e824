"""Every key of the broker, with its type, content and lifetime. Nobody writes a key by hand.

A queue's plain name is the list that stock Celery uses, and stays a list: one token per ready message, so that
``LLEN <queue>`` is the number of waiting messages for Flower, exporters and autoscalers, and ``BLPOP`` on it is the
wake-up of an idle worker. A message that another program pushes there is adopted. Everything else of a queue lives
under ``mq:{<queue>}:``; the braces keep a queue's keys together on one cluster slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Pushed on a queue's list for each ready message, and on its bell; no JSON text is equal to it.
TOKEN: Final = b"\x01"
#: What stock kombu puts between a queue's name and a priority, and the priorities that have a list of their own.
STOCK_SEPARATOR: Final = "\x06\x16"
STOCK_PRIORITIES: Final = (3, 6, 9)

PREFIX: Final = "mq:"

#: The name of a whole queue's cap; those of messages are quoted and hold no such sign.
WHOLE_QUEUE: Final = "*"

#: Keys that each script takes for one queue, in this order (the names that the headers of the scripts use).
BLOCK: Final = (
    "list",
    "ready",
    "messages",
    "leases",
    "delayed",
    "lanes",
    "state",
    "bell",
    "done",
    "inbox",
    "dead",
    "graves",
    "caps",
    "parked",
    "working",
    "waking",
)


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one queue; ``prefix`` is kombu's ``global_keyprefix``."""

    queue: str
    prefix: str = ""

    @property
    def list(self) -> str:
        """List: one `TOKEN` per ready message, and what foreign programs pushed; as long as messages wait."""
        return f"{self.prefix}{self.queue}"

    @property
    def ready(self) -> str:
        """Zset: "<sequence, 16 digits><message id>" by rank (priority · 2^49 + fair tag); as long as messages wait."""
        return self._named("ready")

    @property
    def messages(self) -> str:
        """Hash: message id -> header line, newline, message as JSON; from enqueue to ack."""
        return self._named("messages")

    @property
    def leases(self) -> str:
        """Zset: "<owner> <message id>" by expiry in ms; while a worker holds the message."""
        return self._named("leases")

    @property
    def delayed(self) -> str:
        """Zset: message id by due time in ms; until due."""
        return self._named("delayed")

    @property
    def lanes(self) -> str:
        """Zset: "<priority> <meeting key>" by the rank its next message gets; until the others have caught up."""
        return self._named("lanes")

    @property
    def state(self) -> str:
        """Hash: seq, v<priority> (virtual time), seen (ms), paid <cap> (ms), and counters by event; for ever."""
        return self._named("state")

    @property
    def bell(self) -> str:
        """List: at most one `TOKEN`: an idle worker must look when something is due next; until one looks."""
        return self._named("bell")

    @property
    def done(self) -> str:
        """Zset: submission mark of acked messages by time in ms; ``dedupe_s`` after the last ack."""
        return self._named("done")

    @property
    def inbox(self) -> str:
        """List: messages of foreign programs, as they pushed them; until adopted or quarantined."""
        return self._named("inbox")

    @property
    def adopting(self) -> str:
        """String: id of the worker that empties the inbox; 5 s."""
        return self._named("adopting")

    @property
    def dead(self) -> str:
        """Zset: id of dead-lettered messages by time of death in ms; until requeued or purged."""
        return self._named("dead")

    @property
    def graves(self) -> str:
        """Hash: message id -> reason, newline, what ``messages`` held; as long as ``dead`` has the id."""
        return self._named("graves")

    @property
    def caps(self) -> str:
        """Hash: name of a cap or * -> "<most in work> <starts per s> <burst>", - for none; until it is reset."""
        return self._named("caps")

    @property
    def parked(self) -> str:
        """Zset: "<cap> <rank, 16 digits><sequence, 16 digits><message id>" by name; while the cap has no room."""
        return self._named("parked")

    @property
    def working(self) -> str:
        """Zset: "<cap> <message id>" by name; while a worker holds a message of that cap."""
        return self._named("working")

    @property
    def waking(self) -> str:
        """Zset: cap by the time in ms from which it may have room for what is parked; until a fetch has looked."""
        return self._named("waking")

    @property
    def block(self) -> tuple[str, ...]:
        """The keys that each script takes, in the order of `BLOCK`."""
        return (self.list, *(self._named(name) for name in BLOCK[1:]))

    @property
    def stock_lists(self) -> tuple[str, ...]:
        """Lists: where stock producers push messages with a priority of 3, 6 or 9; until adopted."""
        return tuple(f"{self.list}{STOCK_SEPARATOR}{priority}" for priority in STOCK_PRIORITIES)

    def _named(self, name: str) -> str:
        return f"{self.prefix}{PREFIX}{{{self.queue}}}:{name}"


def consumer_bell(consumer: str, prefix: str = "") -> str:
    """List: a `TOKEN` when this one consumer must look; 10 s."""
    return f"{prefix}{PREFIX}bell:{consumer}"


@dataclass(frozen=True, slots=True)
class QuarantineKeys:
    """The keys of the quarantine, one for all queues."""

    prefix: str = ""

    @property
    def index(self) -> str:
        """Zset: entry id by time of arrival in ms; until requeued or purged."""
        return f"{self.prefix}{PREFIX}quarantine"

    @property
    def entries(self) -> str:
        """Hash: entry id -> JSON line {queue, reason, at_ms}, newline, raw bytes; as long as the index has the id."""
        return f"{self.prefix}{PREFIX}quarantine:entries"
