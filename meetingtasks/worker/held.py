"""The messages that this process holds, over all its connections: what a stop has to wait for or to give away."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from meetingtasks.broker.lease import Lease, LeaseKeeper, keepers
from meetingtasks.clock import SYSTEM


@dataclass(frozen=True)
class Blocker:
    """A task that runs: whoever stops its worker wants to know what is waited for."""

    task_id: str
    type: str
    running_s: float

    def __str__(self) -> str:
        """Name it for a log line."""
        return f"{self.type}[{self.task_id}], which has run for {self.running_s:.0f} s"


@dataclass(frozen=True)
class Seized:
    """A message taken away from the code that runs it: whatever that code still reports is dropped."""

    keeper: LeaseKeeper
    lease: Lease

    @property
    def task_id(self) -> str:
        """The task's id."""
        return str(self.lease.headers.get("id"))

    def give_back(self) -> None:
        """Let it run elsewhere, at its old place in the queue; uses no delivery."""
        self.keeper.give_back([self.lease])

    def acknowledge(self) -> None:
        """End the message: its task has an end on record."""
        self.keeper.put_back([self.lease])


def take_no_more() -> None:
    """Let this process's consumers take no more messages; what they took ahead goes back."""
    for keeper in keepers():
        keeper.take_no_more()


def give_back_unrun(tags: Iterable[str]) -> None:
    """Give back messages that have not been run, named by their delivery tags."""
    for tag in tags:
        for keeper in keepers():
            keeper.release_unrun(tag)


def blockers() -> list[Blocker]:
    """Return the tasks whose messages are held, the longest first."""
    now_s = SYSTEM.monotonic_s()
    found = [_blocker(lease, now_s) for keeper in keepers() for lease in keeper.held()]
    return sorted(found, key=lambda blocker: -blocker.running_s)


def seize() -> list[Seized]:
    """Take all held messages away from what runs them; their leases are renewed no more."""
    return [Seized(keeper, lease) for keeper in keepers() for lease in keeper.seize()]


def send_all(within_s: float) -> bool:
    """Tell the server what was given back and ended; False when it did not answer in time."""
    closers = [threading.Thread(target=keeper.close, daemon=True) for keeper in keepers()]
    until_s = SYSTEM.monotonic_s() + within_s
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(max(0.0, until_s - SYSTEM.monotonic_s()))
    return not any(keeper.has_unsent for keeper in keepers())


def _blocker(lease: Lease, now_s: float) -> Blocker:
    running_s = now_s - lease.handed_s if lease.handed_s else 0.0
    return Blocker(str(lease.headers.get("id")), str(lease.headers.get("task")), running_s)
