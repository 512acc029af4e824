"""Waiting for a condition, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], within_s: float, *, every_s: float = 0.01) -> bool:
    """Ask until ``condition`` is true; False when it was not within ``within_s`` seconds."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(every_s)
    return True


def must(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Wait like `wait_for`; raises `TimeoutError` when it does not come about: the row measures nothing then."""
    if not wait_for(condition, within_s):
        raise TimeoutError(f"{what}: not within {within_s:g} s")
