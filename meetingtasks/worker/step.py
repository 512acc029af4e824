"""The step of Celery's worker that puts our stop in the place of Celery's: for signals and for remote control."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Final

from celery import bootsteps
from celery.worker.control import Panel

from meetingtasks.settings import current
from meetingtasks.worker.stopping import Stopping

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class StoppingStep(bootsteps.StartStopStep):
    """Installed when the worker starts, after Celery's own handlers and before the first message is taken."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        """Take over the signals, where Python allows it, and remote control's ``shutdown``."""
        settings = current()
        stopping = Stopping(parent, max_wait_s=settings.max_shutdown_wait_s, when_overdue=settings.shutdown_overdue)
        mine = os.getpid()

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if os.getpid() == mine:  # a pool process inherits the handler, and its parent decides what becomes of it
                stopping.ask(number)

        def shutdown(_state: Any, **_: Any) -> None:
            """Stop this worker as SIGTERM does."""
            stopping.ask()

        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, on_signal)
        Panel.data["shutdown"] = shutdown
