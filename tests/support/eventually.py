"""Waiting for the thing itself: the only place in the suite that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def eventually(condition: Callable[[], Result], within_s: float = 10.0, *, every_s: float = 0.01) -> Result:
    """Call ``condition`` until it returns something true and return that.

    A condition that asserts is asked again too. After ``within_s`` seconds the last answer or assertion is the failure.
    """
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            answer = condition()
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
        else:
            if answer:
                return answer
            if time.monotonic() > deadline_s:
                raise AssertionError(f"not within {within_s:g} s; the last answer was {answer!r}")
        time.sleep(every_s)
