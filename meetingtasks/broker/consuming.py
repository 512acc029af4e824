"""Consuming on one connection: it is always busy with one of two commands, and nothing is popped without a lease.

*Fetch* acknowledges what is finished and leases as many messages as there are free slots. When the queues are empty,
*listen* blocks on their lists and bells until a message comes, something is due, or ``longest_block_s`` has passed;
then it fetches.
"""
# ruff: noqa: SLF001 - kombu keeps the state of a connection in private attributes of channel and poller

from __future__ import annotations

import itertools
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError

from meetingtasks.broker import adoption, delivery, kombu_parts, scripts
from meetingtasks.broker.ahead import AT_ONCE_S, GIVE_BACK_S, Ahead
from meetingtasks.broker.keys import TOKEN, QueueKeys, consumer_bell
from meetingtasks.broker.message import Message
from meetingtasks.clock import SYSTEM

if TYPE_CHECKING:
    from meetingtasks.broker.channel import LeaseChannelMixin
    from meetingtasks.broker.lease import Lease
    from meetingtasks.broker.records import Fetched

logger = logging.getLogger(__name__)

REPLY_OVERDUE_S: Final = 5.0  # beyond the time that the server itself may take
REFUSED_PAUSE_S: Final = 1.0
SWEEP_S: Final = 1.0  # how often a busy worker looks for messages of stock producers
COLLECT_AT_ONCE: Final = 1000
BELL_LIVES_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch that was sent: what it acknowledges, from which queues, and whose the leases will be."""

    call: scripts.Call[Fetched]
    acks: list[Lease]
    queues: Sequence[QueueKeys]
    owner: str
    wanted: int


class Consuming:
    """The consuming side of one channel."""

    def __init__(self, channel: LeaseChannelMixin, prefix: str) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}".replace(" ", "_")
        #: when something of our queues is due, on the monotonic clock
        self.due_s = float("inf")
        self._channel = channel
        self._bell = consumer_bell(self.name, prefix)
        self._numbers = itertools.count(1)
        self._fetch: Fetch | None = None
        self._look = True
        self.ahead = Ahead()
        self._handing_over = False
        self._inline = False
        self._turn = 0
        self._sent_s = 0.0
        self._trouble_until_s = 0.0
        self._swept_s = 0.0
        self._timer: Any = None

    def new_owner(self) -> str:
        """Return an owner for new leases that nobody else ever had."""
        return f"{self.name}.{next(self._numbers)}"

    # ---- sending

    def keep_busy(self) -> None:
        """Send the next command when the connection is free for one."""
        if SYSTEM.monotonic_s() >= self._trouble_until_s:
            with suppress(Empty), self._bearing_refusals():
                self._keep_busy()

    @contextmanager
    def _bearing_refusals(self) -> Iterator[None]:
        """Go on a second later when the server refuses a command: its disk is full, or a key is of another type."""
        try:
            yield
        except NoScriptError as problem:
            self._forget_command()
            scripts.teach(self._channel.raw)
            raise Empty from problem
        except ReadOnlyError as problem:
            # it is no master any more; a new connection finds the one that is
            self._channel.client.connection.disconnect()
            raise RedisConnectionError(str(problem)) from problem
        except ResponseError as problem:
            self._forget_command()
            self._trouble_until_s = SYSTEM.monotonic_s() + REFUSED_PAUSE_S
            queues = ", ".join(self._channel.active_queues)
            about = {"action": "refused_by_server", "error": str(problem), "queues": queues}
            logger.error(  # noqa: TRY400 - the server's answer says it all
                "The server refuses to hand out messages; trying again in a second", extra=about
            )
            raise Empty from problem

    def _forget_command(self) -> None:
        self.forget_fetch()
        self._channel._in_poll = None

    def _keep_busy(self) -> None:
        channel, poller = self._channel, self._channel.connection.cycle
        if not poller._client_registered(channel, channel.client, "BRPOP"):
            self.forget_fetch()
            channel._in_poll = None
            self._look = True
            poller._register(channel, channel.client, "BRPOP")
        if channel._in_poll:
            # a fetch in flight is answered in no time, and the next one takes the acknowledgements along
            if self._fetch is None and channel.keeper.has_acks:
                channel.keeper.flush(channel.raw)
            return
        self.start()

    def start(self) -> None:
        """Fetch when something may be there and there is room, listen when nothing is there."""
        if self._channel.keeper.is_quiet:
            return
        queues = self._channel.lease_queues
        if self._look and queues:
            wanted = self._wanted()
            if wanted > 0 or (self._channel.keeper.has_acks and self.ahead.is_told_at_once):
                self._send_fetch(queues, wanted)
        elif self._channel.qos.free() != 0:
            self._send_listen(queues)

    def _wanted(self) -> int:
        free: int | None = self._channel.qos.free()
        most = self._channel.options.max_fetch
        if free is None:
            return most
        taken, ahead = len(self.ahead), self.ahead.number(self._channel.qos.prefetch_count)
        if taken > ahead // 2:
            return 0
        if free and not ahead and self._inline:
            return 1  # one runs before the next can begin
        return min(free + ahead - taken, most)

    def _send_fetch(self, queues: Sequence[QueueKeys], wanted: int) -> None:
        acks = self._channel.keeper.take_acks(keys.queue for keys in queues)
        owner, terms = self.new_owner(), self._channel.options.lease.terms
        self._turn = (self._turn + 1) % len(queues)
        sent = [lease.acknowledgement for lease in acks]
        call = scripts.fetch(queues, wanted, owner, terms, acks=sent, turn=self._turn)
        self._fetch = Fetch(call, acks, queues, owner, wanted)
        self._send(*call.command)

    def _send_listen(self, queues: Sequence[QueueKeys]) -> None:
        keys = [self._bell]
        for one in queues:
            keys += (one.list, one.bell, *one.stock_lists)
        for one in self._channel.plain_queues:
            keys += (one.list, *one.stock_lists)
        self._send("BLPOP", *keys, self._channel.options.lease.longest_block_s)

    def _send(self, *command: Any) -> None:
        connection = self._channel.client.connection
        self._channel._in_poll = connection
        self._sent_s = SYSTEM.monotonic_s()
        connection.send_command(*command)

    # ---- reading

    def read(self) -> bool:
        """Read the reply and do what it asks for; raises `queue.Empty` when no message came."""
        with self._bearing_refusals():
            return self._read()

    def _read(self) -> bool:
        channel, fetch = self._channel, self._fetch
        connection = channel.client.connection
        try:
            reply = connection.read_response()
        except channel.connection_errors:
            connection.disconnect()  # which forgets the fetch
            raise
        finally:
            channel._in_poll = None
            channel._flush_brpop_reauth()
        self._fetch = None
        if fetch is None:
            return self._woken(reply)
        return self._fetched(fetch.call.read(reply), fetch)

    def _woken(self, reply: list[bytes] | None) -> bool:
        self._look = True
        self._due_in(None)
        channel = self._channel
        if reply is None or reply[1] == TOKEN:
            if reply is not None and channel.keeper.is_quiet and reply[0] != self._bell.encode():
                channel.raw.rpush(reply[0], TOKEN)  # for somebody who takes what it announces
            raise Empty
        queue = reply[0].decode().removeprefix(channel.global_keyprefix).split(channel.sep, 1)[0]
        if channel.is_plain(queue):
            channel.connection._deliver(kombu_parts.loads(reply[1].decode()), queue)
            return True
        keys = channel.keys_of(queue)
        channel.raw.rpush(keys.inbox, reply[1])
        adoption.adopt(channel, keys)
        raise Empty

    def _fetched(self, fetched: Fetched, fetch: Fetch) -> bool:
        channel, acks = self._channel, fetch.acks
        channel.keeper.lost(acks[position] for position in fetched.lost if not acks[position].sent_before)
        # fewer than wanted: the queues are empty, and whatever comes from now on rings
        self._look = sum(not message.verdict for message in fetched.messages) >= fetch.wanted
        self._due_in(None if self._look else fetched.wait_ms)
        if fetched.foreign or SYSTEM.monotonic_s() - self._swept_s > SWEEP_S:
            self._sweep()
        self.ahead.put(delivery.accepted(channel, fetched.messages))
        if not self.hand_over():
            raise Empty
        return True

    # ---- handing over

    def hand_over(self) -> int:
        """Hand taken messages to their consumers, as far as there are free slots; returns how many."""
        if self._channel.keeper.is_quiet:
            self.give_back()
            return 0
        if self._handing_over:
            return 0
        self._handing_over, handed = True, 0
        try:
            while len(self.ahead) and not self._channel.keeper.is_quiet:
                if self._channel.qos.free() == 0:
                    if not self._run_acknowledgements():
                        break
                elif (raw := self.ahead.take()) is not None:
                    self._hand(raw)
                    handed += 1
        finally:
            self._handing_over = False
        return handed

    def _hand(self, raw: dict[str, Any]) -> None:
        channel, queue = self._channel, raw["properties"][delivery.QUEUE]
        if queue not in channel.connection._callbacks:
            channel.hand_back([raw["properties"]["delivery_tag"]])
            return
        began_s = SYSTEM.monotonic_s()
        if (lease := channel.keeper.get(raw["properties"]["delivery_tag"])) is not None:
            lease.handed_s = began_s
        channel.connection._deliver(raw, queue)
        self._inline = SYSTEM.monotonic_s() - began_s > AT_ONCE_S
        if self._inline and len(self.ahead):
            self._after_inline()

    def _after_inline(self) -> None:
        """Tell what is done before the next task runs right here, and look anew for what is important."""
        self._run_acknowledgements()
        if self.ahead.age_s > GIVE_BACK_S:
            self.give_back()
        elif self._channel.keeper.has_acks:
            self._channel.keeper.flush(self._channel.raw)

    def _run_acknowledgements(self) -> bool:
        """Run what Celery has left for the event loop's next turn about ended tasks; False when there was nothing."""
        loop, found = self._channel.connection.loop, False
        if loop is None or not loop._ready:
            return False
        for callback in loop._pop_ready():
            if _is_an_end(callback):
                callback()
                found = True
            else:
                loop.call_soon(callback)
        return found

    def ended(self, lease: Lease) -> None:
        """Fill the slot of a task that has ended."""
        self.ahead.one_ended(SYSTEM.monotonic_s() - lease.handed_s)
        loop = self._channel.connection.loop
        if len(self.ahead) and self.hand_over() and loop is not None and loop._ready and loop._waker is not None:
            loop._waker.wake()  # it ran right here: its end must not wait for the next event

    def give_back(self) -> None:
        """Give back what was taken and not handed over."""
        self._channel.hand_back(raw["properties"]["delivery_tag"] for raw in self.ahead.take_all())

    def fall_quiet(self) -> None:
        """Give back what was not handed over, and stop listening: others must hear what comes."""
        self.give_back()
        with suppress(*self._channel.connection_errors):  # nobody rings on a broken connection
            self.ring()

    def give_back_overdue(self) -> list[str]:
        """Take out what has waited too long and return its delivery tags; called by the lease thread."""
        return [raw["properties"]["delivery_tag"] for raw in self.ahead.take_overdue()]

    def _sweep(self) -> None:
        self._swept_s = SYSTEM.monotonic_s()
        for keys in self._channel.lease_queues:
            scripts.collect(keys, limit=COLLECT_AT_ONCE).run(self._channel.raw)
            adoption.adopt(self._channel, keys)

    # ---- time

    def _due_in(self, wait_ms: int | None) -> None:
        # the server's own time-outs are only exact to a tenth of a second, so this side watches the clock too
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if wait_ms is None or wait_ms >= self._channel.options.lease.longest_block_s * 1000:
            self.due_s = float("inf")
            return
        self.due_s = SYSTEM.monotonic_s() + wait_ms / 1000
        loop = self._channel.connection.loop
        if loop is not None:
            self._timer = loop.call_later(wait_ms / 1000, self.ring)

    def ring(self) -> None:
        """Look instead of listening: something is due, or there are other queues to listen to."""
        self.due_s = float("inf")
        if not self._channel._in_poll:
            self._look = True
        elif self._fetch is None:
            # on a full server nothing can ring: it looks again by itself within ``longest_block_s``
            with suppress(OutOfMemoryError), self._channel.raw.pipeline(transaction=False) as pipe:
                pipe.rpush(self._bell, TOKEN)
                pipe.pexpire(self._bell, BELL_LIVES_MS)
                pipe.execute()

    def drop_overdue(self) -> None:
        """Drop the connection when its reply is overdue: the other end may be gone without a word."""
        connection = self._channel._in_poll
        allowed_s = (0.0 if self._fetch else self._channel.options.lease.longest_block_s) + REPLY_OVERDUE_S
        if not connection or SYSTEM.monotonic_s() - self._sent_s <= allowed_s:
            return
        if connection._sock is not None and not kombu_parts.redis._socket_readable(connection._sock):
            logger.warning("The server does not answer; connecting anew", extra={"action": "reply_overdue"})
            connection.disconnect()

    # ---- ending

    def forget_fetch(self) -> None:
        """Deal with a fetch whose reply will not come: nobody knows whether it was executed."""
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            self._channel.keeper.put_back(fetch.acks)
            self._channel.keeper.abandon(fetch.queues, fetch.owner)

    def stop(self) -> None:
        """Consume no more; what a fetch in flight may bring is given back."""
        self._due_in(None)
        self.forget_fetch()
        self._channel._in_poll = None
        if len(self.ahead):
            self.give_back()


def _is_an_end(callback: Any) -> bool:
    """Tell whether a callback of the event loop acknowledges or rejects a message; see Celery's prefork pool."""
    function = getattr(callback, "fun", None)
    name, owner = getattr(function, "__name__", None), getattr(function, "__self__", None)
    return name in ("ack_log_error", "reject_log_error") and isinstance(owner, Message)
