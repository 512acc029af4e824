"""Whether and when a failed task runs again: pure arithmetic over the class of its error.

Backoff grows exponentially under a cap, with full jitter (a uniform draw between zero and the grown delay), so that
tasks that failed together do not come back together. The policy ``quadratic`` gives 1, 4, 9 … seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from meetingtasks.states import ErrorClass

#: how delays grow: 1, 2, 4, 8 … or 1, 4, 9, 16 … times the base
Policy = Literal["exponential", "quadratic"]


@dataclass(frozen=True, kw_only=True)
class RetryBudget:
    """How many retries follow the first attempt, by class of error."""

    network: int = 3
    transient: int = 2
    resource: int = 1
    business: int = 0

    def allowed(self, error_class: ErrorClass) -> int:
        """Return the number of retries for this class."""
        return int(getattr(self, error_class.value))


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a retry."""

    policy: Policy = "exponential"
    base_s: float = 1.0
    cap_s: float = 300.0
    jitter: bool = True
    resource_s: float = 600.0  # an exhausted disk or memory does not mend in seconds

    def delay_s(
        self,
        retry: int,
        error_class: ErrorClass,
        *,
        draw: Callable[[], float] = random.random,
    ) -> float:
        """Return the seconds before retry number ``retry`` (from 1); ``draw`` gives a number in [0, 1)."""
        if retry < 1:
            raise ValueError("retries are counted from 1")
        if error_class is ErrorClass.RESOURCE:
            return self.resource_s
        if self.policy == "quadratic":
            grown = self.base_s * retry**2
        else:
            grown = self.base_s * 2.0 ** min(retry - 1, 60)  # 2**60 is far above any cap, and still a float
        grown = min(self.cap_s, grown)
        # never quite zero: a retry in the same instant would meet the same fault
        return max(0.05, grown * draw()) if self.jitter else grown


@dataclass(frozen=True)
class RetryAt:
    """Run again after ``delay_s``."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """Do not run again, and why."""

    reason: Literal["business error", "retries used up", "past the deadline"]


def decide(
    error_class: ErrorClass,
    retries_done: int,
    *,
    budget: RetryBudget,
    max_retries: int | None = None,
    backoff: Backoff | None = None,
    retry_after_s: float | None = None,
    seconds_left: float | None = None,
) -> RetryAt | GiveUp:
    """Decide what follows a failed attempt.

    ``retries_done`` counts the retries before this failure, ``max_retries`` is the submitter's own limit (it lowers or
    raises the budget, but a business error is never retried), ``retry_after_s`` is what the other side asked for and
    ``seconds_left`` the time until the task's deadline.
    """
    allowed = budget.allowed(error_class)
    if error_class is ErrorClass.BUSINESS:
        return GiveUp("business error")
    if max_retries is not None:
        allowed = max_retries
    if retries_done >= allowed:
        return GiveUp("retries used up")
    delay_s = (backoff or Backoff()).delay_s(retries_done + 1, error_class)
    if retry_after_s is not None:
        delay_s = max(delay_s, retry_after_s)
    if seconds_left is not None and delay_s >= seconds_left:
        return GiveUp("past the deadline")
    return RetryAt(delay_s)
