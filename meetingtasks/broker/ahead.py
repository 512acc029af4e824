"""Messages taken ahead of a free slot, while tasks are so short that a round trip for each would be most of the work.

How many is a matter of time, not of number: while most tasks take less than 5 ms from their hand-over to their end, as
many as end within 10 ms; else none. What has not begun 20 ms later is given back by the lease thread, whatever the
worker is doing. So an important task waits behind taken ones for hardly longer than its message takes to arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from meetingtasks.clock import SYSTEM

SHORT_S: Final = 0.005
AHEAD_S: Final = 0.01
GIVE_BACK_S: Final = 0.02
AT_ONCE_S: Final = 0.002  # tasks that take longer are worth a round trip when they have ended
STEP: Final = 1.2  # how much one task moves the estimate
LONG_S: Final = 0.05  # longer tasks count as this long, so that a run of short ones is noticed soon
SHORTEST_S: Final = 0.0001
DOUBTFUL_S: Final = 2 * SHORT_S  # a few short tasks more, and messages are taken ahead again


class Ahead:
    """The taken messages of one consumer. Both its own thread and the lease thread may take messages out."""

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._put_s = 0.0
        self._task_s = LONG_S

    def __len__(self) -> int:
        """Count the taken messages."""
        return len(self._messages)

    def number(self, slots: int) -> int:
        """How many messages to take ahead now, with so many slots that work at once."""
        return int(slots * AHEAD_S / self._task_s) if self._task_s < SHORT_S else 0

    @property
    def is_told_at_once(self) -> bool:
        """Whether the end of each task is told at once: the shorter tasks are, the more may run again after a crash."""
        return self._task_s > AT_ONCE_S

    @property
    def age_s(self) -> float:
        """How long the newest messages have been waiting here."""
        return SYSTEM.monotonic_s() - self._put_s

    def put(self, messages: Iterable[dict[str, Any]]) -> None:
        """Add messages that were just leased."""
        self._put_s = SYSTEM.monotonic_s()
        self._messages.extend(messages)

    def take(self) -> dict[str, Any] | None:
        """Take the next message out, None when there is none."""
        try:
            return self._messages.popleft()
        except IndexError:
            return None

    def take_all(self) -> list[dict[str, Any]]:
        """Take all messages out."""
        taken = []
        while (message := self.take()) is not None:
            taken.append(message)
        return taken

    def take_overdue(self) -> list[dict[str, Any]]:
        """Take out what has waited too long; nothing is then taken ahead until tasks are seen to be short again."""
        if not self._messages or self.age_s < GIVE_BACK_S:
            return []
        self._task_s = max(self._task_s, DOUBTFUL_S)
        return self.take_all()

    def one_ended(self, after_s: float) -> None:
        """Learn from a task that ended so long after its hand-over.

        The estimate goes to the median: on a busy machine a few tasks wait long for a processor, and tell nothing.
        """
        if after_s > self._task_s:
            self._task_s = min(LONG_S, self._task_s * STEP)
        else:
            self._task_s = max(SHORTEST_S, self._task_s / STEP)
