"""What a running task sees of itself: its id and attempt, progress, log, and whether it should stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from meetingtasks import failures
from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.errors import TaskCancelled
from meetingtasks.limits import AttemptLimits
from meetingtasks.records import Progress, TaskRecord
from meetingtasks.states import ErrorClass, Priority, TaskState
from meetingtasks.store.tasks import TaskStore

T = TypeVar("T")

#: at most five progress writes a second reach the store; the newest one, and each change of the step, arrives
PROGRESS_INTERVAL_S = 0.2
#: how often ``cancelled()`` asks the store; a cancellation is seen within this time
CANCEL_INTERVAL_S = 0.4


@dataclass
class TaskContext:
    """One attempt of one task, as its own code sees it."""

    record: TaskRecord
    token: str
    store: TaskStore | None  # None: called directly, without a fleet
    clock: Clock = SYSTEM
    limits: AttemptLimits = field(default_factory=AttemptLimits)  # without others: those that its code sets itself
    log: logging.LoggerAdapter[logging.Logger] = field(init=False)

    def __post_init__(self) -> None:
        self.log = logging.LoggerAdapter(
            logging.getLogger(f"meetingtasks.task.{self.record.type}"),
            {"task_id": self.record.id, "meeting_id": self.record.meeting_id, "attempt": self.record.attempt},
        )
        self._progress = Progress()
        self._unsent = False
        self._sent_at = self._asked_at = self.clock.monotonic_s() - 1
        self._stop = False
        self._lock = threading.Lock()
        self._later: threading.Timer | None = None

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.record.id

    @property
    def attempt(self) -> int:
        """Which run this is, from 1."""
        return self.record.attempt

    def progress(self, percent: float, message: str = "", *, step: str | None = None) -> None:
        """Report 0-100 percent; it never falls within an attempt. TaskCancelled when the task should stop."""
        with self._lock:
            self._report(replace(self._progress, percent=percent, message=message, step=step or self._progress.step))

    def step(self, name: str, done: int, total: int, message: str = "") -> None:
        """Report the named step, with ``done`` of ``total`` steps behind it."""
        percent = 100.0 * done / total if total else 0.0
        with self._lock:
            self._report(Progress(percent=percent, step=name, completed_steps=done, total_steps=total, message=message))

    def cancelled(self) -> bool:
        """Tell whether to stop: cancelled, or taken over by another worker. TaskTimeout when a limit has passed."""
        self.limits.check()
        now = self.clock.monotonic_s()
        if self.store is None or self._stop or now - self._asked_at < CANCEL_INTERVAL_S:
            return self._stop
        self._asked_at = now
        self.flush()
        store = self.store
        self._stop = self._stop or self._told(lambda: store.cancel_asked(self.record.id, self.token), otherwise=False)
        return self._stop

    def check(self) -> None:
        """Raise TaskCancelled when the task should stop."""
        if self.cancelled():
            raise TaskCancelled("the task was cancelled")

    def limit(self, seconds: float) -> None:
        """Let the attempt's limit be ``seconds`` from now, when that is sooner than it is."""
        self.limits.tighten(seconds)

    def extend(self, seconds: float) -> float:
        """Ask for ``seconds`` more than the limit allows; never past the task's deadline.

        Returns the seconds that are left now. Every kind of worker heeds it, and its lease is kept as long.
        """
        return self.limits.extend(seconds)

    def flush(self) -> None:
        """Write the newest progress if it is not written yet."""
        with self._lock:
            if self._later is not None:
                self._later.cancel()
                self._later = None
            if self._unsent:
                self._send()

    def _report(self, progress: Progress) -> None:
        reached = min(100.0, max(self._progress.percent, float(progress.percent)))
        is_new_step = progress.step != self._progress.step
        self._progress = replace(progress, percent=reached)
        self._unsent = True
        self.limits.beat()
        wait_s = PROGRESS_INTERVAL_S - (self.clock.monotonic_s() - self._sent_at)
        if wait_s <= 0 or is_new_step:
            self._send()
        elif self._later is None and self.store is not None:
            # nothing may be reported for a long time after this, and a reader is to see where the task stands
            self._later = threading.Timer(wait_s, self.flush)
            self._later.daemon = True
            self._later.start()
        if self._stop:
            raise TaskCancelled("the task was cancelled")

    def _send(self) -> None:
        self._sent_at = self.clock.monotonic_s()
        self._unsent = False
        store = self.store
        if store is not None:
            told = self._told(lambda: store.progress(self.record.id, self.token, self._progress), otherwise="ok")
            self._stop = self._stop or told != "ok"

    def _told(self, ask: Callable[[], T], *, otherwise: T) -> T:
        """Ask the store; while it is away the work goes on, since its end can wait for the store's return."""
        try:
            with self.limits.shielded():
                return ask()
        except Exception as error:
            if failures.classify(error) is not ErrorClass.NETWORK:
                raise
            self.log.warning("the store does not answer; the work goes on", extra={"why": str(error)})
            return otherwise


def detached(task_type: str, **about: Any) -> TaskContext:
    """Return a context for calling a task's function directly, without a fleet."""
    basics: dict[str, Any] = {"id": "direct", "type": task_type, "name": task_type, "service": "", "queue": ""}
    basics |= {"priority": Priority.NORMAL, "state": TaskState.RUNNING, "created_ms": 0, "attempt": 1}
    return TaskContext(record=TaskRecord(**{**basics, **about}), token="", store=None)
