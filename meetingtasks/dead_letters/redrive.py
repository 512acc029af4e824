"""Drives redrives: requeues matching letters at a rate, first a few if wanted, and stops when too many fail again.

A redrive is driven by the process that called ``drive`` last. When that process dies, nothing is lost: what is requeued
and how far it came stands on the server, and ``drive`` in any other process goes on from there.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final
from uuid import uuid4

from meetingtasks.clock import SYSTEM
from meetingtasks.dead_letters.pace import LONGEST_WAIT_S, Pace
from meetingtasks.dead_letters.where import Where
from meetingtasks.errors import InvalidPayload, TaskConflict
from meetingtasks.store.dead_letters import DeadLetterStore, Position
from meetingtasks.store.redrives import Redrive, RedrivePlan, RedriveStore, Replaced, Step, act_of
from meetingtasks.store.requeueing import Mail, Requeueing

AT_ONCE: Final = 100
FASTEST_PER_S: Final = 10_000.0
#: without a canary, the share of failures is judged from so many ends on
SAMPLE: Final = 20

OnProgress = Callable[[Redrive], object]


class Redrives:
    """The redrives of one fleet."""

    def __init__(self, letters: DeadLetterStore, mail_to: Callable[[str | None], Mail]) -> None:
        self._letters = letters
        self._mail_to = mail_to
        self._store = RedriveStore(letters.client)

    def plan(self, where: Where, plan: RedrivePlan, *, actor: str) -> Redrive:
        """Keep a redrive of the letters that died until now; it waits (``paused``) until somebody drives it.

        InvalidPayload for a rate, canary, limit or percentage that is out of range.
        """
        _check(plan)
        now_ms = self._letters.now_ms()
        meant = where.up_to(now_ms)
        matched = sum(1 for _ in meant.walk(self._letters))
        redrive_id = self._store.create(meant.as_dict(), plan, matched=matched, actor=actor, now_ms=now_ms)
        return self._store.get(redrive_id)

    def get(self, redrive_id: str) -> Redrive:
        """Return a redrive as it stands, with the ends of its tasks counted; TaskNotFound when there is none."""
        redrive, first = self._store.get(redrive_id), 0
        while first := self._store.settle(redrive, first):
            pass
        return self._store.get(redrive_id)

    def all(self) -> list[Redrive]:
        """Return the redrives, the newest first; those that are over are kept for a week."""
        return self._store.all()

    def pause(self, redrive_id: str, *, actor: str) -> Redrive:
        """Hold a redrive; ``drive`` goes on with it. TaskConflict when it does not run."""
        return self._store.move(redrive_id, "paused", allowed=["running"], actor=actor)

    def abort(self, redrive_id: str, *, actor: str) -> Redrive:
        """End a redrive; what it has not requeued stays dead. TaskConflict when it is over."""
        return self._store.move(redrive_id, "aborted", allowed=["running", "paused"], actor=actor)

    def drive(self, redrive_id: str, *, actor: str, on_progress: OnProgress | None = None) -> Redrive:
        """Drive a redrive until it is over, paused, or driven by somebody else; returns how it then stands.

        ``on_progress`` is called with each step, at least twice a second. TaskConflict when it is over.
        """
        driver = uuid4().hex
        allowed = ["running", "paused"]
        redrive = self._store.move(redrive_id, "running", allowed=allowed, actor=actor, driver=driver)
        return _Drive(self._store, self._letters, self._mail_to(redrive.plan.queue), redrive, on_progress).run()


class _Drive:
    """One process's time at the wheel."""

    def __init__(
        self,
        store: RedriveStore,
        letters: DeadLetterStore,
        mail: Mail,
        redrive: Redrive,
        on_progress: OnProgress | None,
    ) -> None:
        self._store = store
        self._letters = letters
        self._redrive = redrive
        self._on_progress = on_progress or (lambda _: None)
        self._requeueing = Requeueing(letters, mail, act_of(redrive))
        self._pace = Pace(redrive.plan.rate_per_s)
        where = Where(**redrive.where)
        self._places: Iterator[Position] = where.walk(letters, after=redrive.position, oldest_first=True)
        self._window = 0  # which of the open tasks are looked at next
        self._settled_s = 0.0

    def run(self) -> Redrive:
        mine = self._redrive.driver
        while True:
            self._look()
            if (self._redrive.state, self._redrive.driver) != ("running", mine):
                return self._redrive
            if self._fails_too_often():
                return self._end("stopped", f"{self._redrive.failed_percent:.0f} % of the ended tasks failed again")
            if not self._step():
                return self._end("done", "")

    def _look(self) -> None:
        now_s = SYSTEM.monotonic_s()
        if now_s - self._settled_s >= LONGEST_WAIT_S:
            self._settled_s = now_s
            self._window = self._store.settle(self._redrive, self._window)
        self._redrive = self._store.get(self._redrive.id)
        self._on_progress(self._redrive)

    def _step(self) -> bool:
        """Requeue what is due, or wait; False when nothing is left."""
        room = self._room()
        if room == 0 and not self._waits_for_canary():
            return False
        wanted = min(room, self._pace.due(), AT_ONCE)
        places = list(itertools.islice(self._places, wanted))
        if wanted and not places:
            return False
        if not places:
            if room == 0:
                self._pace.restart()
            threading.Event().wait(self._pace.wait_s)
            return True
        step = Step(self._store.client, self._redrive, now_ms=SYSTEM.now_ms(), last=places[-1])
        try:
            self._requeueing.run([place.task_id for place in places], step)
        except Replaced:
            return True  # the next look sees by what
        self._pace.took(len(places))
        return True

    def _room(self) -> int:
        """Return how many more may be requeued before something has to be waited for."""
        redrive, plan = self._redrive, self._redrive.plan
        room = AT_ONCE if plan.limit is None else plan.limit - redrive.requeued
        if redrive.requeued < plan.canary:
            return min(room, plan.canary - redrive.requeued)
        return 0 if self._waits_for_canary() else room

    def _waits_for_canary(self) -> bool:
        redrive, plan = self._redrive, self._redrive.plan
        is_over = plan.limit is not None and redrive.requeued >= plan.limit
        return not is_over and plan.canary > 0 and redrive.requeued >= plan.canary > redrive.ended

    def _fails_too_often(self) -> bool:
        redrive, plan = self._redrive, self._redrive.plan
        if plan.stop_above_percent is None or redrive.ended < (plan.canary or SAMPLE):
            return False
        return redrive.failed_percent > plan.stop_above_percent

    def _end(self, state: str, reason: str) -> Redrive:
        with suppress(TaskConflict):  # somebody paused or aborted it in this moment
            self._store.move(self._redrive.id, state, allowed=["running"], actor=self._redrive.actor, reason=reason)
        return self._store.get(self._redrive.id)


def _check(plan: RedrivePlan) -> None:
    bounds = {
        "rate_per_s": (plan.rate_per_s, 0.001, FASTEST_PER_S),
        "canary": (plan.canary, 0, math.inf),
        "limit": (1 if plan.limit is None else plan.limit, 1, math.inf),
        "stop_above_percent": (plan.stop_above_percent or 0, 0, 100),
    }
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            problem = f"must be {least:g} to {most:g}"
            raise InvalidPayload(f"{name} {problem}", fields=[{"field": f"/{name}", "problem": problem}])
