"""What happened in a run, as plain values: what was asked for, what the platform says, and what tasks really did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meetingtasks.records import TaskRecord

FINAL = frozenset({"completed", "failed", "timeout", "cancelled", "expired"})


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A submission that returned a task id: the task is accepted."""

    task_id: str
    accepted_s: float
    session: str = ""
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an attempt wrote to the effects log: its start, or that its work was done."""

    at_s: float
    word: str
    task_id: str
    attempt: int
    pid: int


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry of the store's stream."""

    task_id: str
    event: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that was broken on purpose: which processes ended or stood still by it, and how many slots they had."""

    at_s: float
    until_s: float
    slots: int
    pids: frozenset[int] = frozenset()
    kills: bool = True


@dataclass(frozen=True, kw_only=True)
class Percent:
    """What somebody read of a running attempt's progress."""

    task_id: str
    attempt: int
    percent: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A task that a session was shown, and whose it is."""

    session: str
    owner: str
    task_id: str


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """A schedule's planned time, and how often it fired or was recorded as missed."""

    schedule: str
    planned_s: float
    fired: int
    missed: int = 0


@dataclass(frozen=True, kw_only=True)
class History:
    """One whole run, read after its last task has ended."""

    submissions: tuple[Submission, ...]
    records: Mapping[str, TaskRecord]
    effects: tuple[Effect, ...]
    events: tuple[Event, ...]
    faults: tuple[Fault, ...] = ()
    percents: tuple[Percent, ...] = ()
    seen: tuple[Seen, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    dead_letters: tuple[str, ...] = ()
    live: frozenset[str] = frozenset()
    queued: tuple[str, ...] = ()
    leased: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    keys_before: frozenset[str] = frozenset()
    keys_after: frozenset[str] = frozenset()  # without those that expire by themselves
    running_per_session: int | None = None
    lease_s: float = 6.0
    crashes_allowed: int = 3
    slack_s: float = 0.25  # between what one process notes and what another decides

    def events_of(self, task_id: str) -> list[Event]:
        """Return a task's events in their order."""
        return [event for event in self.events if event.task_id == task_id]

    def starts_of(self, task_id: str) -> list[Effect]:
        """Return a task's starts in their order."""
        return [effect for effect in self.effects if effect.task_id == task_id and effect.word == "start"]


@dataclass(frozen=True, kw_only=True)
class Violation:
    """An invariant that does not hold, and what shows it."""

    invariant: str
    evidence: str
