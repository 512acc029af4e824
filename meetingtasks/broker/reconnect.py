"""How fast a worker comes back: kombu waits 2, 4, 6 … 30 s between attempts, the same for every worker of a fleet.

A server that is back should be in use within 5 s, and not be greeted by the whole fleet at one moment: the waits start
at a fraction of a second, grow to about 2 s, and are drawn at random.
"""
# ruff: noqa: SLF001 - kombu takes the waits as arguments of this private method only

from __future__ import annotations

import random
from typing import Any, Final

from kombu import Connection

from meetingtasks.broker import kombu_parts

FIRST_S: Final = (0.1, 0.5)
STEP_S: Final = (0.2, 0.5)
LONGEST_S: Final = (1.5, 2.5)
BEFORE_THE_WAITS: Final = 2  # positional arguments of kombu's method that come first: errback, max_retries

_kombu: Any = Connection
_kombu_ensure = _kombu._ensure_connection


def _ensure_connection(self: Connection, *args: Any, **kwargs: Any) -> Any:
    names_its_waits = len(args) > BEFORE_THE_WAITS
    if not names_its_waits and issubclass(self.get_transport_cls(), kombu_parts.redis.Transport):
        kwargs.setdefault("interval_start", random.uniform(*FIRST_S))
        kwargs.setdefault("interval_step", random.uniform(*STEP_S))
        kwargs.setdefault("interval_max", random.uniform(*LONGEST_S))
    return _kombu_ensure(self, *args, **kwargs)


def install() -> None:
    """Use these waits for every Redis connection of this process that does not name its own."""
    _kombu._ensure_connection = _ensure_connection
