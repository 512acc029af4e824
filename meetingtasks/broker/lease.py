"""The leases that this process holds, and the thread that keeps them.

A lease belongs to the process, not to a connection: it is kept while the connection to the server breaks and comes
back, and a task that ran meanwhile is still acknowledged. The thread renews whatever the event loop or the task is
doing, and sends acknowledgements that nobody else sent within a few milliseconds.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from redis.exceptions import RedisError

from meetingtasks.broker import scripts
from meetingtasks.broker.scripts import Acknowledgement
from meetingtasks.clock import SYSTEM

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client
    from meetingtasks.broker.keys import QueueKeys
    from meetingtasks.broker.queue import LeaseOptions

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.02  # how often the thread looks for acknowledgements that nobody sent, while messages are held
RETRY_S: Final = (0.1, 0.4)  # pause after a failed round trip, drawn between these
AT_ONCE: Final = 1000  # leases or acknowledgements per round trip
DOZE_S: Final = 1.0  # after this long without a message it looks only when it is woken
IDLE_S: Final = 10.0  # with nothing to keep, the thread ends after this


class Watched(Protocol):
    """A consumer that takes messages before it can hand them over."""

    def give_back_overdue(self) -> list[str]:
        """Return the delivery tags of messages that it will not hand over."""
        ...

    def fall_quiet(self) -> None:
        """Take no more and give back what was not handed over; called from any thread."""
        ...


@dataclass(slots=True)
class Lease:
    """One message that this process may run. ``tag`` is the delivery tag: unlike the message's, it is used once."""

    tag: str
    keys: QueueKeys
    id: str
    owner: str
    headers: Mapping[str, Any] = field(repr=False)
    mark: str = ""
    renew_until_s: float = float("inf")
    #: when its task may have been given more time: until when the lease is to be renewed by now, or None
    prolonged: Callable[[], float | None] | None = field(default=None, repr=False)
    handed_s: float = 0.0
    #: its acknowledgement was sent before and the reply was lost: being refused now means nothing
    sent_before: bool = False

    @property
    def acknowledgement(self) -> Acknowledgement:
        """What to tell the server when the message is done."""
        return Acknowledgement(self.keys.queue, self.id, self.owner, self.mark)


class LeaseKeeper:
    """Holds, renews and ends the leases of one process on one server. Safe to use from any thread."""

    def __init__(
        self,
        connect: Callable[[], Client],
        options: LeaseOptions,
        on_lost: Callable[[str, Mapping[str, Any]], None] | None,
    ) -> None:
        self._connect = connect
        self._options = options
        self._on_lost = on_lost
        #: whether the consumers take no more messages, on this connection or the next one
        self.is_quiet = False
        self._client: Client | None = None
        self._held: dict[str, Lease] = {}
        self._orphans: set[str] = set()
        self._acks: list[Lease] = []
        self._returns: list[Lease] = []
        self._watched: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._abandoned: list[tuple[QueueKeys, str]] = []
        self._lock = threading.RLock()  # a message may be collected, and so released, at any point
        self._work = threading.Event()
        self._dozing = False
        self._used_s = 0.0
        self._thread: threading.Thread | None = None
        self._reachable = True

    def hold(self, leases: Iterable[Lease]) -> None:
        """Begin to renew leases that were just taken."""
        with self._lock:
            for lease in leases:
                self._held[lease.tag] = lease
            self._run()

    def get(self, tag: str) -> Lease | None:
        """Return a held lease."""
        return self._held.get(tag)

    def drop(self, tag: str) -> Lease | None:
        """Stop renewing a lease and return it; None when it is not held (any more)."""
        with self._lock:
            return self._held.pop(tag, None)

    def ack(self, tag: str) -> Lease | None:
        """End a message; sent with the next fetch or within 20 ms. None when the lease was already lost."""
        with self._lock:
            lease = self._held.pop(tag, None)
            if lease is None:
                return None
            self._acks.append(lease)
            self._run()
        return lease

    @property
    def has_acks(self) -> bool:
        """Whether acknowledgements wait to be sent."""
        return bool(self._acks)

    def watch(self, consumer: Watched) -> None:
        """Give back what this consumer takes and does not hand over in time."""
        self._watched.add(consumer)

    def take_no_more(self) -> None:
        """Let the consumers take no more messages for the rest of this process's life; what is held stays held."""
        self.is_quiet = True
        for consumer in list(self._watched):
            consumer.fall_quiet()

    def held(self) -> list[Lease]:
        """Return the leases that are held now."""
        with self._lock:
            return list(self._held.values())

    def seize(self) -> list[Lease]:
        """Stop renewing all leases and return them: nobody else can end them now."""
        with self._lock:
            leases = list(self._held.values())
            self._held.clear()
        return leases

    def give_back(self, leases: Iterable[Lease]) -> None:
        """Give back messages that are held no more, as soon as the server answers; uses no delivery."""
        with self._lock:
            self._returns += leases
            self._run()

    def orphan(self, tag: str) -> None:
        """Mark a held message whose channel is gone; it still fills a slot of this process."""
        with self._lock:
            if tag in self._held:
                self._orphans.add(tag)

    @property
    def orphans(self) -> int:
        """How many slots messages of closed channels fill."""
        if self._orphans:
            with self._lock:
                self._orphans &= self._held.keys()
        return len(self._orphans)

    def take_acks(self, queues: Iterable[str]) -> list[Lease]:
        """Take the waiting acknowledgements of these queues, to be sent by the caller."""
        wanted = set(queues)
        with self._lock:
            mine = [lease for lease in self._acks if lease.keys.queue in wanted][:AT_ONCE]
            if mine:
                taken = {lease.tag for lease in mine}
                self._acks = [lease for lease in self._acks if lease.tag not in taken]
        return mine

    def put_back(self, acks: Iterable[Lease]) -> None:
        """Take acknowledgements back that could not be sent, or of which nobody knows whether they arrived."""
        with self._lock:
            for lease in acks:
                lease.sent_before = True
                self._acks.append(lease)
            self._run()

    def abandon(self, queues: Iterable[QueueKeys], owner: str) -> None:
        """Give back what a fetch may have leased whose reply never came."""
        with self._lock:
            self._abandoned += [(keys, owner) for keys in queues]
            self._run()

    def refused(self, leases: Sequence[Lease], owned: Iterable[bool]) -> None:
        """Report those of the acknowledged leases that were not ours any more."""
        self.lost(lease for lease, is_ours in zip(leases, owned, strict=True) if not is_ours and not lease.sent_before)

    def release_unrun(self, tag: str) -> None:
        """Give back a message that will not be run, as soon as the server answers; uses no delivery."""
        with self._lock:
            lease = self._held.pop(tag, None)
            if lease is not None:
                self.give_back([lease])

    def lost(self, leases: Iterable[Lease]) -> None:
        """Report leases that the server no longer gives us."""
        for lease in leases:
            logger.warning(
                "Lease lost", extra={"action": "lease_lost", "queue": lease.keys.queue, "message_id": lease.id}
            )
            if self._on_lost is not None:
                try:
                    self._on_lost(lease.tag, lease.headers)
                except Exception:
                    logger.exception("The callback for a lost lease failed; the lease stays lost")

    def flush(self, client: Client) -> None:
        """Send what waits to be sent; on a connection error it waits on and the error is raised."""
        self._give_up(client)
        with self._lock:
            acks, self._acks = self._acks, []
        parts = _by_queue(acks)
        try:
            while parts:
                keys, leases = parts[0]
                call = scripts.ack(keys, [lease.acknowledgement for lease in leases], dedupe_ms=self._options.dedupe_ms)
                self.refused(leases, call.run(client))
                del parts[0]
        finally:
            if parts:
                self.put_back(lease for _, leases in parts for lease in leases)

    def renew(self, client: Client) -> None:
        """Extend all held leases once; those past their task's own limit are left to expire."""
        now_s = SYSTEM.monotonic_s()
        with self._lock:
            leases = list(self._held.values())
        for lease in leases:
            if lease.renew_until_s < now_s and lease.prolonged is not None:
                lease.renew_until_s = lease.prolonged() or lease.renew_until_s
        overdue = [lease for lease in leases if lease.renew_until_s < now_s]
        for keys, part in _by_queue(lease for lease in leases if lease.renew_until_s >= now_s):
            pairs = [(lease.id, lease.owner) for lease in part]
            owned = scripts.renew(keys, pairs, lease_ms=self._options.terms.lease_ms).run(client)
            overdue += [lease for lease, is_ours in zip(part, owned, strict=True) if not is_ours]
        # one that was acknowledged meanwhile is not lost
        self.lost([lease for lease in overdue if self.drop(lease.tag) is not None])

    def close(self) -> None:
        """Give back what is held, send what waits, stop the thread and close the connection."""
        with self._lock:
            self._returns += self._held.values()
            self._held.clear()
        thread, self._thread = self._thread, None
        self._work.set()
        if thread is not None:
            thread.join(IDLE_S)

    def forget(self) -> None:
        """Start anew in a forked child: the leases are the parent's."""
        self.__init__(self._connect, self._options, self._on_lost)  # type: ignore[misc] # the one way to reset locks

    def _run(self) -> None:
        if self._dozing:  # waking a thread costs more than a task's whole bookkeeping, so it looks around by itself
            self._work.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="lease-keeper", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        me = threading.current_thread()
        renew_at_s = self._used_s = SYSTEM.monotonic_s()
        while self._thread is me:
            renew_at_s = self._serve(renew_at_s)
            self._doze(renew_at_s)
            if SYSTEM.monotonic_s() - self._used_s > IDLE_S and self._end(me):
                break
        if self.has_unsent:
            self._serve(float("inf"))
        self._disconnect()

    def _doze(self, renew_at_s: float) -> None:
        now_s = SYSTEM.monotonic_s()
        if self._held or self.has_unsent:
            self._used_s = now_s
        self._work.clear()
        self._dozing = now_s - self._used_s > DOZE_S
        if self._held or self.has_unsent:  # looked at again: whoever came in between did not wake a thread that was up
            self._dozing = False
        self._work.wait(max(0.0, renew_at_s - now_s if self._dozing else min(LOOK_S, renew_at_s - now_s)))
        self._dozing = False

    def _serve(self, renew_at_s: float) -> float:
        """Send and renew what is due; returns when to renew next."""
        try:
            for consumer in list(self._watched):
                for tag in consumer.give_back_overdue():
                    self.release_unrun(tag)
            if self.has_unsent:
                self.flush(self._own_client())
            if SYSTEM.monotonic_s() < renew_at_s:
                return renew_at_s
            if self._held:
                self.renew(self._own_client())
            self._reachable = True
            return SYSTEM.monotonic_s() + self._options.renew_s
        except RedisError as problem:
            if self._reachable:
                about = {"action": "renew_failed", "error": str(problem)}
                logger.warning("The server cannot be reached for the leases; trying until it can", extra=about)
            self._reachable = False
            time.sleep(random.uniform(*RETRY_S))
            return SYSTEM.monotonic_s()

    def _end(self, me: threading.Thread) -> bool:
        with self._lock:
            if self._held or self.has_unsent or self._thread is not me:
                return False
            self._thread = None
            return True

    def _own_client(self) -> Client:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.connection_pool.disconnect()

    @property
    def has_unsent(self) -> bool:
        """Whether anything waits to be told to the server."""
        return bool(self._acks or self._returns or self._abandoned)

    def _give_up(self, client: Client) -> None:
        while self._abandoned:
            keys, owner = self._abandoned[0]
            scripts.abandon(keys, owner).run(client)
            with self._lock:
                self._abandoned.remove((keys, owner))
        with self._lock:
            returns, self._returns = self._returns, []
        parts = _by_queue(returns)
        try:
            while parts:
                keys, leases = parts[0]
                pairs, deaths = [(lease.id, lease.owner) for lease in leases], self._options.max_deliveries
                scripts.release(keys, pairs, counted=False, max_deliveries=deaths).run(client)
                del parts[0]
        finally:
            with self._lock:
                self._returns += [lease for _, leases in parts for lease in leases]


def _by_queue(leases: Iterable[Lease]) -> list[tuple[QueueKeys, Sequence[Lease]]]:
    found: dict[QueueKeys, list[Lease]] = defaultdict(list)
    for lease in leases:
        found[lease.keys].append(lease)
    return [(keys, part[i : i + AT_ONCE]) for keys, part in found.items() for i in range(0, len(part), AT_ONCE)]


_keepers: dict[tuple[Any, ...], LeaseKeeper] = {}
_keepers_lock = threading.Lock()


def keeper_of(identity: tuple[Any, ...], make: Callable[[], LeaseKeeper]) -> LeaseKeeper:
    """Return this process's keeper for one server (and database, prefix, options)."""
    with _keepers_lock:
        if identity not in _keepers:
            _keepers[identity] = make()
        return _keepers[identity]


def keepers() -> list[LeaseKeeper]:
    """Return all keepers of this process."""
    with _keepers_lock:
        return list(_keepers.values())


@atexit.register
def _give_all_back() -> None:
    """Hand back what was not run, instead of letting others wait for its leases to end."""
    for keeper in _keepers.values():
        keeper.close()


def _forget_all() -> None:
    global _keepers_lock  # noqa: PLW0603 - a lock held by another thread at the fork would stay held for ever
    _keepers_lock = threading.Lock()
    for keeper in _keepers.values():
        keeper.forget()


os.register_at_fork(after_in_child=_forget_all)
