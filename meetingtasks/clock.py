"""Where time comes from: wall time for what is stored, monotonic time for what is measured.

Scripts inside the store use the server's own clock instead. Nobody else asks the operating system for the time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Return wall time as milliseconds since 1970, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards; only differences mean something."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now_ms(self) -> int:
        """Return wall time as milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when it is told to; for tests."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Return the time that was set, in seconds."""
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self._now_ms += round(seconds * 1000)


SYSTEM = SystemClock()


def to_datetime(ms: int) -> datetime:
    """Return an aware UTC datetime for milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
