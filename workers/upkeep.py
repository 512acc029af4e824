"""Runs a duty again and again in a thread of a worker's main process, as long as the worker works."""

from __future__ import annotations

import logging
import threading
from typing import Any, Protocol

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

log = logging.getLogger(__name__)


class Duty(Protocol):
    """Something to be done from time to time."""

    def run_once(self) -> object:
        """Do it once."""
        ...


def run_while_working(app: Celery, duty: Duty, *, every_s: float) -> None:
    """Run ``duty`` at the start of this app's worker and then every ``every_s`` seconds until it stops."""
    stopping = threading.Event()

    def loop() -> None:
        while True:
            try:
                duty.run_once()
            except Exception:
                log.exception("an upkeep duty failed and is tried again", extra={"duty": type(duty).__name__})
            if stopping.wait(every_s):
                return

    def begin(sender: Any, **_: Any) -> None:
        if sender.app is app:
            threading.Thread(target=loop, name=f"upkeep-{type(duty).__name__}", daemon=True).start()

    def end(**_: Any) -> None:
        stopping.set()

    worker_ready.connect(begin, weak=False)
    worker_shutting_down.connect(end, weak=False)
