"""Runs the code of one attempt in a thread of its own, so that whoever waits for it can stop waiting.

A thread cannot be ended from outside. An attempt that passes its limit, or is given up, is settled without it: its
context tells the code to stop the next time it asks, and whatever it still returns is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meetingtasks.deliveries.delivery import Delivery
from meetingtasks.errors import TaskTimeout, TransientError

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how often a limit is read again


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an attempt came to: a result or an error, or neither when it was given up."""

    result: Any = None
    error: Exception | None = None
    is_given_up: bool = False


class Attempt:
    """One run of ``body`` for one delivery."""

    def __init__(self, delivery: Delivery, body: Callable[[], Any]) -> None:
        self.delivery = delivery
        self._body = body
        self._outcome: Outcome | None = None
        self._changed = threading.Event()

    def run(self) -> Outcome:
        """Run it and wait for its outcome; a TaskTimeout when its limit passes first."""
        thread = threading.Thread(target=self._work, name=f"attempt-{self.delivery.task_id}", daemon=True)
        limits = self.delivery.context.limits
        thread.start()
        while self._outcome is None:
            left_s = limits.stop_in_s
            if left_s < 0:
                about = {"task_id": self.delivery.task_id, "why": limits.why}
                log.warning("a task passed its time limit; its code is left to itself", extra=about)
                return Outcome(error=TaskTimeout(limits.why))
            # a limit may move, but not nearer unless the code that runs sets it
            self._changed.wait(min(left_s, LOOK_S))
        return self._outcome

    def give_up(self) -> None:
        """End the wait: nothing more is done for this attempt."""
        self._end(Outcome(is_given_up=True))

    def _work(self) -> None:
        try:
            self._end(Outcome(result=self._body()))
        except Exception as error:  # noqa: BLE001 - it is the attempt's outcome
            self._end(Outcome(error=error))
        except BaseException as error:  # noqa: BLE001 - a handler that wants to exit must not take its slot with it
            self._end(Outcome(error=TransientError(f"the task's code raised {type(error).__name__}: {error}")))

    def _end(self, outcome: Outcome) -> None:
        if self._outcome is None:
            self._outcome = outcome
        self._changed.set()
