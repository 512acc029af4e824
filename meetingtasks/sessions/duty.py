"""A duty: something to be done again and again in a thread of its own, whatever happened the last time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Duty:
    """Calls ``run_once()`` every ``every_s`` seconds."""

    def __init__(self, run_once: Callable[[], object], *, every_s: float) -> None:
        self._run_once = run_once
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; does nothing when it has begun."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="meetingtasks-sessions", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End. May be called twice."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._run_once()
            except Exception:
                log.exception("looking after the sessions failed; it is tried again")
