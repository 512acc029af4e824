"""A queue in plain Python: what the transport does, for those who have messages and no Celery.

>>> queue = LeaseQueue(client, "ai_tasks")          # doctest: +SKIP
>>> queue.enqueue(b'{"say": "hello"}', message_id="1", priority=0)
<Placed.READY: 'ready'>
>>> (message,) = queue.fetch(1, consumer="me")
>>> queue.ack([message])
[]
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meetingtasks.broker import scripts
from meetingtasks.broker.keys import QueueKeys
from meetingtasks.broker.records import COST, Explanation, Leased, Outgoing, Placed, QueueSize, Stored

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client

PURGE_AT_ONCE: Final = 1000
ENQUEUE_AT_ONCE: Final = 500
EXHAUSTED: Final = 2  # an answer of release.lua


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """How a queue deals with leases.

    ``lease_s``: a holder that stays silent this long loses the message. ``renew_s``: how often a holder speaks.
    ``max_deliveries``: a message that lost its worker this often is dead. ``dedupe_s``: how long a done submission is
    remembered (0: not at all). ``longest_block_s``: an idle consumer looks at least this often.
    ``keep_dead``: False when a companion keeps dead letters itself.
    """

    lease_s: float = 6.0
    renew_s: float = 2.0
    max_deliveries: int = 3
    dedupe_s: float = 60.0
    longest_block_s: float = 2.0
    keep_dead: bool = True

    def __post_init__(self) -> None:
        """Refuse figures with which holders would lose their leases."""
        if not 0 < self.renew_s <= self.lease_s / 2:
            raise ValueError(
                f"renew_s must be above 0 and at most half of lease_s, not {self.renew_s:g}/{self.lease_s:g}"
            )
        if self.max_deliveries < 1 or self.dedupe_s < 0 or self.longest_block_s <= 0:
            raise ValueError("max_deliveries must be 1 or more, dedupe_s 0 or more, longest_block_s above 0")

    @property
    def dedupe_ms(self) -> int:
        """Memory of done submissions in ms."""
        return round(self.dedupe_s * 1000)

    @property
    def terms(self) -> scripts.FetchTerms:
        """The same for the fetch script.

        When nobody touched a queue for longer than holders renew and idle consumers look, the server was away, and
        holders get one and a half renewals to come back.
        """
        silence_ms = round(max(self.renew_s, self.longest_block_s) * 1500)
        return scripts.FetchTerms(
            lease_ms=round(self.lease_s * 1000),
            max_deliveries=self.max_deliveries,
            silence_ms=silence_ms,
            grace_ms=round(self.renew_s * 1500),
            dedupe_ms=self.dedupe_ms,
            longest_block_ms=round(self.longest_block_s * 1000),
        )


class LeaseQueue:
    """One queue on one server. ``client`` must leave replies as bytes (no ``decode_responses``)."""

    def __init__(self, client: Client, name: str, *, prefix: str = "", options: LeaseOptions | None = None) -> None:
        if client.get_connection_kwargs().get("decode_responses"):
            raise ValueError("the queue reads bytes: create the client without decode_responses")
        self.client = client
        self.keys = QueueKeys(name, prefix)
        self.options = options or LeaseOptions()
        self._fetches = itertools.count(1)
        self._nonce = os.urandom(4).hex()

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.keys.queue

    def enqueue(
        self,
        payload: bytes,
        *,
        message_id: str,
        priority: int = 6,
        delay_s: float = 0,
        lifetime_s: float = 0,
        key: str = "",
        weight: float = 1.0,
        mark: str = "",
        cap: str = "",
    ) -> Placed:
        """Put one message in; ``REFUSED`` when that id is live. See `Outgoing` for the parts."""
        message = Outgoing(
            id=message_id,
            payload=payload,
            priority=priority,
            delay_ms=round(delay_s * 1000),
            lifetime_ms=round(lifetime_s * 1000),
            cost=cost_of(weight),
            key=key,
            mark=mark,
            cap=cap,
        )
        return self.enqueue_many([message])[0]

    def enqueue_many(self, messages: Sequence[Outgoing]) -> list[Placed]:
        """Put messages in, in order; one round trip for 500."""
        placed: list[Placed] = []
        for part in _parts(messages, ENQUEUE_AT_ONCE):
            placed += scripts.enqueue(self.keys, part, dedupe_ms=self.options.dedupe_ms).run(self.client)
        return placed

    def fetch(self, n: int, *, consumer: str) -> list[Leased]:
        """Lease up to ``n`` messages, and besides them those with a verdict, which must be rejected or expired."""
        owner = f"{consumer}.{self._nonce}.{next(self._fetches)}"
        return list(scripts.fetch([self.keys], n, owner, self.options.terms).run(self.client).messages)

    def renew(self, held: Sequence[Leased]) -> list[Leased]:
        """Extend leases; returns those that are lost."""
        pairs = [(m.id, m.owner) for m in held]
        owned = scripts.renew(self.keys, pairs, lease_ms=self.options.terms.lease_ms).run(self.client) if pairs else []
        return _refused(held, owned)

    def ack(self, done: Sequence[Leased]) -> list[Leased]:
        """End messages that were run; returns those whose lease was lost: nothing changed for them."""
        acks = [scripts.Acknowledgement(m.queue, m.id, m.owner) for m in done]
        return _refused(done, scripts.ack(self.keys, acks, dedupe_ms=self.options.dedupe_ms).run(self.client))

    def reject(self, held: Sequence[Leased], *, reason: str) -> list[Leased]:
        """Make messages dead letters; returns those whose lease was lost."""
        call = scripts.reject(self.keys, _pairs(held), reason=reason, keep=self.options.keep_dead)
        return _refused(held, call.run(self.client))

    def release(self, held: Sequence[Leased], *, counted: bool = False, delay_s: float = 0) -> list[Leased]:
        """Give messages back at their rank; returns those whose lease was lost.

        ``counted`` uses up a delivery, and one that is used up thereby becomes a dead letter ``worker_lost``.
        """
        answers = scripts.release(
            self.keys,
            _pairs(held),
            counted=counted,
            max_deliveries=self.options.max_deliveries,
            delay_ms=round(delay_s * 1000),
        ).run(self.client)
        exhausted = [m for m, answer in zip(held, answers, strict=True) if answer == EXHAUSTED]
        if exhausted:
            self.reject(exhausted, reason="worker_lost")
        return _refused(held, answers)

    def expire(self, held: Sequence[Leased]) -> list[Leased]:
        """Drop messages whose start-by time has passed; returns those whose lease was lost."""
        return _refused(held, scripts.expire(self.keys, _pairs(held)).run(self.client))

    def revive(self, ids: Iterable[str]) -> list[str]:
        """Give dead letters back to the queue; returns the ids that went back."""
        ids = list(ids)
        went = scripts.revive(self.keys, ids).run(self.client)
        return [message_id for message_id, gone in zip(ids, went, strict=True) if gone]

    def size(self) -> QueueSize:
        """Count everything."""
        return scripts.size(self.keys).run(self.client)

    def peek(self, limit: int = 20, *, first: int = 0) -> list[Stored]:
        """Look at the next ready messages without taking them."""
        return scripts.peek(self.keys, first, limit).run(self.client)

    def purge(self, *, before: Callable[[list[str]], None] | None = None) -> int:
        """Drop all ready, delayed and parked messages; leased ones stay with their workers. Returns how many.

        ``before`` is told the ids of each batch before it goes, so that their tasks can be ended first.
        """
        return purge(self.client, self.keys, before)

    def explain(self, message_id: str) -> Explanation:
        """Say where one message is, and what it waits for."""
        return scripts.explain(self.keys, message_id).run(self.client)


def purge(client: Client, keys: QueueKeys, before: Callable[[list[str]], None] | None) -> int:
    """Drop all messages of a queue that nobody runs, batch by batch; see `LeaseQueue.purge`."""
    purged = 0
    while ids := scripts.waiting(keys, limit=PURGE_AT_ONCE).run(client):
        if before is not None:
            before(ids)
        purged += len(scripts.purge(keys, ids).run(client))
    return purged


def cost_of(weight: float) -> int:
    """Return how far a message of this weight moves its meeting's lane; weights run from 0.01 to 100."""
    return round(COST / min(max(weight, 0.01), 100.0))


def _pairs(held: Sequence[Leased]) -> list[tuple[str, str]]:
    return [(m.id, m.owner) for m in held]


def _refused(held: Sequence[Leased], answers: Sequence[bool | int]) -> list[Leased]:
    return [m for m, answer in zip(held, answers, strict=True) if not answer]


def _parts(messages: Sequence[Outgoing], size: int) -> Iterable[Sequence[Outgoing]]:
    return (messages[i : i + size] for i in range(0, len(messages), size))
