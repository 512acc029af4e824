"""Holds the loaded engines of a process: each is loaded once, at its first use, and its observer is told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

EngineT = TypeVar("EngineT")
Observer = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Loaded:
    """One engine that is held: what it is and what loading it took."""

    key: str
    engine: str
    model: str
    device: str
    load_ms: int
    memory_bytes: int  # growth of this process while it was loaded; pages that others free meanwhile count against it

    def facts(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dict(self.__dict__)


class EngineRegistry:
    """Engines by key. ``observer`` is told ``model_loaded`` and ``model_unloaded`` with the engine's facts."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._lock = threading.RLock()
        self._engines: dict[tuple[int, str], Any] = {}
        self._facts: dict[tuple[int, str], Loaded] = {}

    def get(self, key: str, factory: Callable[[], EngineT]) -> EngineT:
        """Return the engine under ``key``; the first caller loads it, others wait. A failing factory leaves nothing."""
        place = (os.getpid(), key)  # a child made by fork loads its own: a decoder's state must not be shared
        with self._lock:
            if place not in self._engines:
                began, before = time.monotonic(), _resident_bytes()
                engine = factory()
                self._engines[place] = engine
                self._facts[place] = Loaded(
                    key=key,
                    engine=str(getattr(engine, "name", key)),
                    model=str(getattr(engine, "model", "")),
                    device=str(getattr(engine, "device", "cpu")),
                    load_ms=round((time.monotonic() - began) * 1000),
                    memory_bytes=max(0, _resident_bytes() - before),
                )
                self._tell("model_loaded", self._facts[place])
            return cast("EngineT", self._engines[place])

    def unload(self, key: str) -> bool:
        """Let an engine go; False when it is not held."""
        place = (os.getpid(), key)
        with self._lock:
            facts = self._facts.pop(place, None)
            self._engines.pop(place, None)
        if facts is not None:
            self._tell("model_unloaded", facts)
        return facts is not None

    def loaded(self) -> list[Loaded]:
        """Return the facts of the engines that this process holds."""
        with self._lock:
            return [facts for (pid, _), facts in self._facts.items() if pid == os.getpid()]

    def _tell(self, event: str, facts: Loaded) -> None:
        if self._observer is not None:
            self._observer(event, facts.facts())


def _resident_bytes() -> int:
    """Return this process's resident memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
