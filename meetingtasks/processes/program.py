"""A program of a process group: what to run, when relative to the others, and what happens when it ends by itself."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """One program; the environment of this process is passed on, with ``environment`` over it.

    ``stage``: lower stages start first and stop last; programs of one stage start and stop together.
    ``restart``: ``on_crash`` starts it again after any exit code but 0, ``never`` leaves it ended.
    ``grace_s``: how long it may take to end after ``stop_signal``; then it gets SIGKILL.
    ``hurry_s``: when a second stop is asked for it gets ``stop_signal`` again, and this long until SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    stage: int = 0
    restart: Literal["on_crash", "never"] = "on_crash"
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 30.0
    hurry_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before a crashed program is started again, and when to give up.

    The wait doubles from ``first_s`` to ``longest_s`` seconds with each crash in a row; a run of ``steady_s`` seconds
    ends the row. After ``give_up_after`` crashes in a row (None: never) the whole group is stopped.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    steady_s: float = 30.0
    give_up_after: int | None = 8

    def crashes_in_a_row(self, before: int, ran_s: float) -> int:
        """Return the length of the row with the crash of a run of ``ran_s`` seconds counted."""
        return 1 if ran_s >= self.steady_s else before + 1

    def wait_s(self, crashes: int) -> float | None:
        """Return the wait after so many crashes in a row, None to give up."""
        if self.give_up_after is not None and crashes >= self.give_up_after:
            return None
        return float(min(self.longest_s, self.first_s * 2 ** min(crashes - 1, 30)))
