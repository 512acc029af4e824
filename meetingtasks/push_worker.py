"""Pulls tasks and runs them by a pipeline, one after the other: the earlier systems' ``TaskWorker``.

On SIGTERM or SIGINT it pulls no more, waits up to ``max_shutdown_wait`` seconds for the task that runs, and returns. A
task that takes longer goes back to its queue, or fails, as the worker was told. A worker that dies loses nothing: its
task comes back when the lease has run out.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, Protocol, cast

from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.deliveries import Attempt, LeaseRenewal
from meetingtasks.errors import BrokerUnavailable, BusinessError, TaskConflict
from meetingtasks.queue_manager import PulledMessage, QueueManager

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
RETRY_S: Final = 0.5  # pause after the broker did not answer
WATCH_S: Final = 0.1  # how often the waiting thread looks whether a signal came or the time to stop is over
MOST_PULL_S: Final = 60.0

Process = Callable[[Mapping[str, Any], TaskContext], Any]


class PipelineService(Protocol):
    """What does the work of a task. A service that calls it ``process`` is taken too."""

    def run(self, data: Mapping[str, Any], context: TaskContext) -> Any:
        """Do it: report each stage by ``context.step(…)``, ask ``context.check()`` now and then, return the result."""
        ...


class TaskWorker:
    """Runs the tasks of one queue, until it is told to stop.

    ``max_shutdown_wait`` is in seconds. ``when_overdue`` says what becomes of a task that runs longer than that after a
    stop: ``requeue`` gives it back, ``fail`` ends it. ``pull_timeout_s`` bounds how long an idle worker takes to stop.
    """

    def __init__(
        self,
        queue_manager: QueueManager,
        pipeline_service: Any,
        max_shutdown_wait: float = 300,
        *,
        pull_timeout_s: float = 1.0,
        when_overdue: Literal["requeue", "fail"] = "requeue",
    ) -> None:
        if not 0 <= max_shutdown_wait < threading.TIMEOUT_MAX or not 0 < pull_timeout_s <= MOST_PULL_S:
            raise BusinessError("max_shutdown_wait must be 0 or more, pull_timeout_s above 0 and at most 60 seconds")
        self._queue = queue_manager
        self._process = _process_of(pipeline_service)
        self._max_shutdown_wait_s = float(max_shutdown_wait)
        self._pull_timeout_s = pull_timeout_s
        self._when_overdue = when_overdue
        self._renewal = LeaseRenewal(queue_manager.deliveries)
        self._stopping = threading.Event()
        self._is_overdue = False
        self._current: Attempt | None = None
        self._signal: int | None = None

    def start(self) -> None:
        """Run tasks until `stop` or a signal, and return when the last one has ended; blocks.

        Signals are minded where Python allows it: in the main thread.
        """
        self._stopping.clear()
        self._signal, self._is_overdue = None, False
        loop = threading.Thread(target=self._loop, name="task-worker", daemon=True)
        with self._signals():
            log.info("the worker takes tasks", extra={"queue": self._queue.queue_name})
            loop.start()
            self._watch(loop)
        self._renewal.stop()
        log.info("the worker has stopped", extra={"queue": self._queue.queue_name})

    def stop(self) -> None:
        """Ask it to stop as a signal does; returns at once."""
        self._stopping.set()

    @property
    def _shall_stop(self) -> bool:
        return self._signal is not None or self._stopping.is_set()

    def _watch(self, loop: threading.Thread) -> None:
        asked_s = float("inf")
        while loop.is_alive():
            loop.join(WATCH_S)
            if self._shall_stop:
                self._stopping.set()  # ends the loop's pauses
                asked_s = min(asked_s, SYSTEM.monotonic_s())
            if SYSTEM.monotonic_s() - asked_s >= self._max_shutdown_wait_s and self._current is not None:
                self._is_overdue = True
                self._current.give_up()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        # it interrupts any line, so it does no more than this
        self._signal = number

    # -- one task after the other -----------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._shall_stop:
            try:
                message = self._queue.pull(timeout=self._pull_timeout_s)
                if message is not None:
                    self._run(message)
            except BrokerUnavailable as error:
                log.warning("the broker does not answer; trying again", extra={"why": str(error)})
                self._stopping.wait(RETRY_S)
            except TaskConflict as error:
                log.warning("a task went to another worker; its outcome here is dropped", extra={"why": str(error)})
            except Exception:
                log.exception("a task could not be ended; it comes back when its lease has run out")
                self._stopping.wait(RETRY_S)

    def _run(self, message: PulledMessage) -> None:
        delivery = self._queue.held(message)
        attempt = Attempt(delivery, lambda: self._process(message["data"], delivery.context))
        self._renewal.keep(delivery, attempt.give_up)
        self._current = attempt
        try:
            outcome = attempt.run()
        finally:
            self._current = None
            self._renewal.drop(delivery)
        if outcome.is_given_up:
            self._end_overdue(message)
        elif outcome.error is not None:
            self._queue.reject(message, outcome.error)
        else:
            self._queue.ack(message, outcome.result)

    def _end_overdue(self, message: PulledMessage) -> None:
        if self._is_overdue and self._when_overdue == "fail":
            text = f"its worker had to stop and waited {self._max_shutdown_wait_s:g} s for it"
            self._queue.reject(message, BusinessError(text, code="worker_stopped"))
        else:
            self._queue.release(message)


def _process_of(service: Any) -> Process:
    for name in ("run", "process"):
        process = getattr(service, name, None)
        if callable(process):
            return cast("Process", process)
    raise TypeError(f"{type(service).__name__} has neither run(data, context) nor process(data, context)")
