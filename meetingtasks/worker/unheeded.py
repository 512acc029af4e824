"""Ends what goes on although it was cancelled: a task that does not look, once it has had its time to.

A running task is told by its record, which `TaskContext` looks at. A prefork worker looks too: a task that is still
there ``cancel_grace_s`` after the worker heard of its cancellation loses its pool process. The threads and solo pools
cannot end a task; there its cancellation counts when it ends by itself.

Should this process die on the way, the message comes back when its lease has run out, and is refused: no task that was
cancelled starts again.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from celery import bootsteps
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.worker import state

from meetingtasks.clock import SYSTEM
from meetingtasks.settings import current

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5


class UnheededCancellations(bootsteps.StartStopStep):
    """A thread of a prefork worker's main process that looks after the tasks its pool runs."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_: Any) -> None:
        self.enabled = issubclass(parent.pool_cls, PreforkPool)
        self._stopping = threading.Event()
        self._heard_s: dict[str, float] = {}

    def start(self, parent: Any) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, args=(parent,), name="unheeded-cancellations", daemon=True).start()

    def stop(self, parent: Any) -> None:
        """Look no more."""
        del parent
        self._stopping.set()

    terminate = stop

    def _run(self, parent: Any) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._look(parent)
            except Exception as error:  # noqa: BLE001 - the store may be away; the next look finds what this one missed
                log.warning("cancellations could not be looked for", extra={"why": str(error)})

    def _look(self, parent: Any) -> None:
        running = {request.id: request for request in list(state.active_requests)}
        found = parent.app.backend.store.some_fields(running, ["cancel_ms"]) if running else []
        told = [task_id for task_id, about in zip(running, found, strict=True) if about["cancel_ms"] is not None]
        now_s = SYSTEM.monotonic_s()
        self._heard_s = {task_id: self._heard_s.get(task_id, now_s) for task_id in told}
        for task_id, heard_s in self._heard_s.items():
            if now_s - heard_s >= current().cancel_grace_s:
                log.warning("a cancelled task did not stop; its process is ended", extra={"task_id": task_id})
                running[task_id].terminate(parent.pool, signal="KILL")
