"""The limits of one attempt that runs: when it is to stop, why, and when it must be ended.

``soft`` and ``hard`` limit are the execution limit of an attempt; the task may ask for more. The task's deadline bounds
them all. With a heartbeat, a run that reports nothing for so long is to stop, too. Between the moment to stop and the
end lies the grace: the time in which a task that got its exception may tidy up.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.errors import BusinessError, TaskTimeout

#: between the exception and the end of the process, where nothing else is said
GRACE_S: Final = 15.0
_NEVER: Final = math.inf


class AttemptLimits:
    """One attempt's limits, counted from now. All times in seconds; None: no such limit. Safe from any thread.

    ``left_s`` is the time until the task's deadline, ``post`` is told the moment of the end (of the monotonic clock,
    None: none) whenever it changes.
    """

    def __init__(
        self,
        *,
        soft_s: float | None = None,
        hard_s: float | None = None,
        heartbeat_s: float | None = None,
        left_s: float | None = None,
        clock: Clock = SYSTEM,
        post: Callable[[float | None], None] | None = None,
    ) -> None:
        now_s = clock.monotonic_s()
        self._clock = clock
        self._post = post
        self._soft_s, self._grace_s = soft_s, GRACE_S
        if soft_s is not None and hard_s is not None:
            self._grace_s = max(0.0, hard_s - soft_s)
        self._soft_at_s = _NEVER if soft_s is None else now_s + soft_s
        self._hard_at_s = now_s + hard_s if hard_s is not None else self._soft_at_s + self._grace_s
        self._heartbeat_s = heartbeat_s
        self._beat_s = now_s
        self._deadline_s = _NEVER if left_s is None else now_s + left_s
        self._lock = threading.RLock()
        self._shields = 0
        self._told = ""
        self._is_over = False
        self._tell()

    # -- asked by those who enforce ---------------------------------------------------------------------------------

    @property
    def stop_in_s(self) -> float:
        """Seconds until the attempt is to stop; infinite without a limit, negative afterwards."""
        return min(self._soft_at_s, self._silent_at_s, self._deadline_s) - self._clock.monotonic_s()

    @property
    def end_at_s(self) -> float | None:
        """When it must be ended, by the monotonic clock; None: never."""
        soonest_s = min(self._silent_at_s, self._deadline_s) + self._grace_s
        end_s = min(self._hard_at_s, soonest_s)
        return None if end_s == _NEVER else end_s

    @property
    def why(self) -> str:
        """Which limit has passed, in words; empty while none has."""
        now_s = self._clock.monotonic_s()
        if now_s > self._deadline_s:
            return "ran into its deadline"
        if now_s > self._soft_at_s:
            return f"ran longer than its time limit of {self._soft_s:g} s"
        if now_s > self._silent_at_s:
            return f"reported no progress for {self._heartbeat_s:g} s"
        return ""

    def interrupt_if_due(self, interrupt: Callable[[], None]) -> None:
        """Call ``interrupt()`` once when the attempt is to stop and may be interrupted now."""
        with self._lock:
            if self.why and not (self._told or self._is_over or self._shields):
                self._told = self.why
                interrupt()

    @property
    def reason(self) -> str:
        """Why the attempt was interrupted; empty when it was not."""
        return self._told

    def close(self) -> None:
        """Say that the attempt has ended: from now on it is neither interrupted nor ended."""
        with self._lock:
            self._is_over = True
            if self._post is not None:
                self._post(None)

    # -- moved by the attempt ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise TaskTimeout when the attempt is to stop."""
        if self.stop_in_s < 0:
            raise TaskTimeout(self._told or self.why)

    def beat(self) -> None:
        """Note that it has reported something."""
        if self._heartbeat_s is not None:
            self._beat_s = self._clock.monotonic_s()
            self._tell()

    def extend(self, seconds: float) -> float:
        """Allow ``seconds`` more, no further than to the deadline; returns the seconds that are left now."""
        if not 0 < seconds < _NEVER:
            raise BusinessError("a limit is extended by a positive number of seconds", code="wrong_extension")
        with self._lock:
            self._soft_s = None if self._soft_s is None else self._soft_s + seconds
            self._soft_at_s += seconds
            self._hard_at_s += seconds
            self._told = ""
            self._tell()
        return self.stop_in_s

    def tighten(self, seconds: float) -> None:
        """Let the execution limit be ``seconds`` from now, when that is sooner."""
        with self._lock:
            at_s = self._clock.monotonic_s() + seconds
            if at_s < self._soft_at_s:
                self._soft_s, self._soft_at_s = seconds, at_s
                self._hard_at_s = min(self._hard_at_s, at_s + self._grace_s)
                self._tell()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Keep interruptions away inside: half a conversation with a server must not be cut."""
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1

    @property
    def _silent_at_s(self) -> float:
        return _NEVER if self._heartbeat_s is None else self._beat_s + self._heartbeat_s

    def _tell(self) -> None:
        if self._post is not None and not self._is_over:
            self._post(self.end_at_s)
