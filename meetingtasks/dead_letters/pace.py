"""The pace of something that is done so many times a second: evenly, and without a flood after a stall."""

from __future__ import annotations

from typing import Final

from meetingtasks.clock import SYSTEM, Clock

#: a stall longer than this is not made up for
CATCH_UP_S: Final = 1.0
#: together what is due within this: steps this short are exact enough and cost a round trip each
TICK_S: Final = 0.05
LONGEST_WAIT_S: Final = 0.5


class Pace:
    """Counts what is due at a rate."""

    def __init__(self, rate_per_s: float, *, clock: Clock = SYSTEM) -> None:
        self._rate = rate_per_s
        self._clock = clock
        self._next_s = clock.monotonic_s()

    def due(self) -> int:
        """Return how many may be done now."""
        now_s = self._clock.monotonic_s()
        self._next_s = max(self._next_s, now_s - CATCH_UP_S)
        return max(0, int((now_s - self._next_s) * self._rate) + 1) if now_s >= self._next_s else 0

    def took(self, number: int) -> None:
        """Note that so many were done."""
        self._next_s += number / self._rate

    def restart(self) -> None:
        """Begin anew after a time in which nothing was to be done."""
        self._next_s = max(self._next_s, self._clock.monotonic_s())

    @property
    def wait_s(self) -> float:
        """Seconds to wait before asking again."""
        return min(LONGEST_WAIT_S, max(TICK_S, self._next_s - self._clock.monotonic_s()))
