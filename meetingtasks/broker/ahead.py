"""Messages taken ahead of a free slot, while tasks are so short that a round trip for each would be most of the work.

How many is a matter of time, not of number: as many as end within 2 ms at the present rate, and none at all once a task
takes longer. What has not begun 20 ms later is given back by the lease thread, whatever the worker is doing. So no task
waits behind taken ones for longer than it takes to send a message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from meetingtasks.clock import SYSTEM

AHEAD_S: Final = 0.002
GIVE_BACK_S: Final = 0.02
NEWEST: Final = 0.3  # weight of the newest measurement
LONG_S: Final = 0.05  # longer tasks count as this long, so that a run of short ones is noticed soon


class Ahead:
    """The taken messages of one consumer. Both its own thread and the lease thread may take messages out."""

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._put_s = 0.0
        self._ended = 0
        self._per_task_s = LONG_S

    def __len__(self) -> int:
        """Count the taken messages."""
        return len(self._messages)

    @property
    def number(self) -> int:
        """How many messages to take ahead now."""
        return int(AHEAD_S / self._per_task_s)

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
        self._per_task_s = LONG_S
        return self.take_all()

    def one_ended(self) -> None:
        """Count a task that has ended."""
        self._ended += 1

    def measure(self, since_s: float) -> None:
        """Learn from the tasks that ended since the last fetch, ``since_s`` ago, how long one takes."""
        ended, self._ended = self._ended, 0
        if ended:
            self._per_task_s += NEWEST * (min(LONG_S, since_s / ended) - self._per_task_s)
