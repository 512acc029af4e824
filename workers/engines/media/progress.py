"""How far a piece of work is, told to the caller seldom enough not to slow it down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BETWEEN_S = 0.2


class Progress:
    """Turns times within a file of ``whole_s`` seconds into fractions: rising, at most five a second, 1.0 at the end.

    ``tell`` may be ``None``: then nothing is told.
    """

    def __init__(self, tell: Callable[[float], None] | None, whole_s: float) -> None:
        self._tell = tell
        self._whole_s = whole_s
        self._told = 0.0
        self._told_at_s = float("-inf")

    def at(self, time_s: float) -> None:
        """Note that the work has come to ``time_s``."""
        if self._tell is None or self._whole_s <= 0:
            return
        fraction = min(time_s / self._whole_s, 0.99)  # 1.0 is for work that is done
        now_s = time.monotonic()
        if fraction > self._told and now_s - self._told_at_s >= _BETWEEN_S:
            self._told, self._told_at_s = fraction, now_s
            self._tell(fraction)

    def done(self) -> None:
        """Note that the work is done."""
        if self._tell is not None:
            self._tell(1.0)
