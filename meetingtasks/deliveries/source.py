"""Takes tasks out of one queue, one at a time, and gives them back or brings them to their end."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from celery import Celery
from celery.app.task import Context

from meetingtasks import aftermath, lifecycle
from meetingtasks.app import has_companion
from meetingtasks.broker import Leased, LeaseOptions, LeaseQueue, adoption, envelope, scripts
from meetingtasks.broker.keys import TOKEN, QuarantineKeys
from meetingtasks.broker.quarantine import new_id, note
from meetingtasks.broker.records import Fetched, Verdict
from meetingtasks.clock import SYSTEM
from meetingtasks.companion import COMPANION
from meetingtasks.context import TaskContext
from meetingtasks.deliveries.border import connect
from meetingtasks.deliveries.delivery import Delivery, request_of
from meetingtasks.deliveries.settlement import Settlement
from meetingtasks.errors import InvalidPayload
from meetingtasks.limits import AttemptLimits
from meetingtasks.settings import current
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import Refused, TaskStore
from meetingtasks.submission import task_id_of

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE: Final = 3
CONTENT_TYPES: Final = ("application/json",)
#: a task of a type that nobody here runs is put back for this long each time, and given up after ``UNKNOWN_TYPE_S``
DEFER_S: Final = 5.0
UNKNOWN_TYPE_S: Final = 60.0
#: the server's own time-outs are only exact to a tenth of a second; shorter waits are made here
SHORTEST_BLOCK_S: Final = 0.1
SHORTEST_WAIT_S: Final = 0.01


class Deliveries:
    """The tasks of one queue. Thread-safe.

    ``lease_s`` is how long a task stays ours without a renewal. ``accepts`` tells by a task's Celery name whether it
    can be run here.
    """

    def __init__(
        self,
        app: Celery,
        store: TaskStore,
        queue: str,
        *,
        lease_s: float,
        accepts: Callable[[str], bool] | None = None,
    ) -> None:
        self._app = app
        self._store = store
        self._accepts = accepts
        options = LeaseOptions(
            lease_s=lease_s,
            renew_s=lease_s / RENEWALS_PER_LEASE,
            max_deliveries=current().max_deliveries,
            keep_dead=False,  # the store keeps the task and why it died
        )
        self.queue = LeaseQueue(connect(app.conf.meetingtasks_broker_url), queue, options=options)
        self._settlement = Settlement(app)
        self.worker = f"{queue}@{socket.gethostname()}"
        self._consumer = f"{socket.gethostname()}:{os.getpid()}".replace(" ", "_")

    # -- taking -----------------------------------------------------------------------------------------------------

    def take(self, timeout_s: float | None, *, stop: threading.Event | None = None) -> Delivery | None:
        """Take the next task, waiting up to ``timeout_s`` (None: for ever) or until ``stop``; None: there was none."""
        until_s = float("inf") if timeout_s is None else SYSTEM.monotonic_s() + timeout_s
        while stop is None or not stop.is_set():
            fetched = self._fetch()
            begun = [delivery for message in fetched.messages if (delivery := self._begin(message)) is not None]
            if begun:
                return begun[0]
            left_s = until_s - SYSTEM.monotonic_s()
            if left_s <= 0:
                return None
            if fetched.foreign:
                self._adopt()
            elif not fetched.messages:
                self._wait(min(left_s, self._pause_s(fetched.wait_ms)))
        return None

    def _fetch(self) -> Fetched:
        owner = f"{self._consumer}:{new_id()}"
        return scripts.fetch([self.queue.keys], 1, owner, self.queue.options.terms).run(self.queue.client)

    def _pause_s(self, wait_ms: int | None) -> float:
        longest_s = self.queue.options.longest_block_s
        return longest_s if wait_ms is None else min(longest_s, max(SHORTEST_WAIT_S, wait_ms / 1000))

    def _wait(self, seconds: float) -> None:
        if seconds < SHORTEST_BLOCK_S:
            threading.Event().wait(seconds)
            return
        keys = self.queue.keys
        woken: Any = self.queue.client.blpop([keys.list, keys.bell, *keys.stock_lists], timeout=seconds)
        if woken is not None and woken[1] != TOKEN:
            self.queue.client.rpush(keys.inbox, woken[1])  # another program's message, to be adopted

    def _adopt(self) -> None:
        with self._app.connection_for_write() as connection:
            channel: Any = connection.default_channel
            adoption.adopt(channel, self.queue.keys)

    # -- judging ----------------------------------------------------------------------------------------------------

    def _begin(self, leased: Leased) -> Delivery | None:
        if leased.verdict is Verdict.EXHAUSTED:
            self._bury(leased, "worker_lost")
            return None
        if leased.verdict is Verdict.EXPIRED:
            self._end_unrun(leased, scripts.expire(self.queue.keys, [(leased.id, leased.owner)]), None)
            return None
        try:
            message = envelope.read(leased.payload)
            body = envelope.check_task(message, CONTENT_TYPES)
        except envelope.Malformed as malformed:
            self._quarantine(leased, str(malformed))
            return None
        if self._accepts is not None and not self._accepts(message["headers"]["task"]):
            self._defer(leased)
            return None
        return self._start(leased, request_of(message, body, leased, worker=self.worker))

    def _start(self, leased: Leased, request: dict[str, Any]) -> Delivery | None:
        started = lifecycle.start(self._store, Context(request), request["kwargs"])
        if isinstance(started, Refused):
            self._settlement.refused(request, started.why)
            self.queue.ack([leased])
            return None
        limits = AttemptLimits(**lifecycle.limits_of(Context(request), started.record))
        context = TaskContext(record=started.record, token=started.token, store=self._store, limits=limits)
        delivery = Delivery(leased=leased, request=request, context=context)
        if request["args"]:
            self.fail(delivery, InvalidPayload("tasks take named arguments only", fields=[]))
            return None
        return delivery

    def _defer(self, leased: Leased) -> None:
        if (leased.stored.deferrals + 1) * DEFER_S > UNKNOWN_TYPE_S:
            self._bury(leased, "unknown_type")
            return
        log.warning("a task of a type without a handler is put back", extra={"message_id": leased.id})
        self.queue.release([leased], delay_s=DEFER_S)

    def _bury(self, leased: Leased, reason: str) -> None:
        call = scripts.reject(self.queue.keys, [(leased.id, leased.owner)], reason=reason, keep=False)
        self._end_unrun(leased, call, reason)

    def _end_unrun(self, leased: Leased, call: scripts.Call[Any], reason: str | None) -> None:
        """End a task (dead for a reason, expired without one) and its message; together where one server has both."""
        message = _object(leased.payload)
        joined = has_companion(self._app)
        with (self.queue.client if joined else self._store.client).pipeline(transaction=True) as pipe:
            if joined:
                call.put_on(pipe)
            else:
                pipe.script_load(load("finish").source).script_load(load("owe").source)
            if reason is None:
                COMPANION.on_expired(pipe, message)
            else:
                COMPANION.on_dead(pipe, message, reason)
            pipe.execute()
        if not joined:
            call.run(self.queue.client)
        aftermath.look(self._app)

    def _quarantine(self, leased: Leased, reason: str) -> None:
        log.warning("a malformed message was set aside", extra={"queue": leased.queue, "reason": reason})
        shelf = QuarantineKeys(self.queue.keys.prefix)
        about = {"message_id": leased.id, "owner": leased.owner, "entry_id": new_id()}
        scripts.quarantine(self.queue.keys, shelf, note=note(leased.queue, reason), **about).run(self.queue.client)

    # -- ending -----------------------------------------------------------------------------------------------------

    def complete(self, delivery: Delivery, result: Any = None) -> None:
        """End the task with a result (JSON or a pydantic model)."""
        self._settle(delivery, result=result)

    def fail(self, delivery: Delivery, error: Exception) -> None:
        """End the attempt with an error, whose class decides whether another one follows."""
        self._settle(delivery, error=error)

    def _settle(self, delivery: Delivery, **outcome: Any) -> None:
        if not self._settlement.settle(delivery, **outcome):
            self.release(delivery, counted=True)
        elif self.queue.ack([delivery.leased]):
            log.warning("the lease was lost before the task ended", extra={"task_id": delivery.task_id})

    def release(self, delivery: Delivery, *, counted: bool = False) -> None:
        """Give a task back unfinished; ``counted``: as if its worker had died, which may happen a few times only."""
        if not counted:
            self.queue.release([delivery.leased])
            return
        call = scripts.release(
            self.queue.keys,
            [(delivery.leased.id, delivery.leased.owner)],
            counted=True,
            max_deliveries=self.queue.options.max_deliveries,
        )
        if call.run(self.queue.client) == [2]:
            self._bury(delivery.leased, "worker_lost")

    def renew(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Extend leases by ``lease_s`` from now; returns the deliveries whose lease is lost."""
        held = list(deliveries)
        lost = self._renew([delivery.leased for delivery in held])
        return [delivery for delivery in held if delivery.leased in lost]

    def _renew(self, held: Sequence[Leased]) -> list[Leased]:
        keys, lease_ms = self.queue.keys, self.queue.options.terms.lease_ms
        answers = scripts.renew(keys, [(m.id, m.owner) for m in held], lease_ms=lease_ms).run(self.queue.client)
        return [m for m, owned in zip(held, answers, strict=True) if not owned]

    def owns(self, delivery: Delivery) -> bool:
        """Tell whether this attempt is still the task's current one."""
        return self._store.field(delivery.task_id, "token") == delivery.context.token

    # -- the queue as a whole ---------------------------------------------------------------------------------------

    def ready_count(self) -> int:
        """Return how many tasks could be taken now."""
        return self.queue.size().total_ready

    def cancel_all(self, *, reason: str) -> int:
        """Cancel every task of the queue that waits, also those planned for later; returns how many messages went."""

        def cancel(message_ids: list[str]) -> None:
            for message_id in message_ids:
                self._store.cancel(task_id_of(message_id), reason=reason, only_waiting=True)

        return self.queue.purge(before=cancel)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
