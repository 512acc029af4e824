"""Holds the loaded engines of a process: each is loaded once, at its first use, and its observer is told."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

EngineT = TypeVar("EngineT")
Observer = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One engine that is held: what it is and what loading it took."""

    key: str
    engine: str
    model: str
    device: str
    load_ms: int
    memory_bytes: int
    """Growth of this process while it was loaded; pages that others free meanwhile count against it."""

    def facts(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class EngineRegistry:
    """Engines by key. ``observer`` is told ``model_loaded`` and ``model_unloaded`` with the engine's facts.

    Different engines load side by side. A child made by ``fork`` loads its own: a decoder's state must not be shared.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self.renew()
        _call_in_children(weakref.WeakMethod(self.renew))

    def renew(self) -> None:
        """Begin anew: in a child, a lock that another thread held at the fork would never open."""
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._engines: dict[str, Any] = {}
        self._facts: dict[str, Loaded] = {}

    def get(self, key: str, factory: Callable[[], EngineT]) -> EngineT:
        """Return the engine under ``key``; the first caller loads it, others wait. A failing factory leaves nothing.

        A factory that asks for its own key would wait for itself.
        """
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            if key in self._engines:
                return cast("EngineT", self._engines[key])
            began, before = time.monotonic(), _resident_bytes()
            engine = factory()
            facts = Loaded(
                key=key,
                engine=str(getattr(engine, "name", key)),
                model=str(getattr(engine, "model", "")),
                device=str(getattr(engine, "device", "cpu")),
                load_ms=round((time.monotonic() - began) * 1000),
                memory_bytes=max(0, _resident_bytes() - before),
            )
            with self._lock:
                self._engines[key], self._facts[key] = engine, facts
        self._tell("model_loaded", facts)
        return engine

    def unload(self, key: str) -> bool:
        """Let an engine go; False when it is not held. Whoever still uses it keeps it alive until the end of that."""
        with self._lock:
            facts = self._facts.pop(key, None)
            self._engines.pop(key, None)
        if facts is not None:
            self._tell("model_unloaded", facts)
        return facts is not None

    def loaded(self) -> list[Loaded]:
        """Return the facts of the engines that this process holds."""
        with self._lock:
            return list(self._facts.values())

    def _tell(self, event: str, facts: Loaded) -> None:
        if self._observer is not None:
            self._observer(event, facts.facts())


def _call_in_children(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    """Have ``method`` called after each fork, as long as its object lives."""

    def call() -> None:
        alive = method()
        if alive is not None:
            alive()

    os.register_at_fork(after_in_child=call)


def _resident_bytes() -> int:
    """Return this process's resident memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
