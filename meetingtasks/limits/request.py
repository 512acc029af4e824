"""A message in the hands of a prefork worker's main process, which speaks for a pool process that was ended.

Celery's own time limits are fixed when a task begins. Where a guardian holds the limits they can be extended, so
Celery's are switched off, and a pool process that the guardian ended is told from one that died by itself.
"""

from __future__ import annotations

import logging
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[attr-defined] # the types lack one
from celery import signals
from celery.app.task import Context
from celery.exceptions import Reject, Retry, WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from meetingtasks.errors import ResourceError, TaskTimeout
from meetingtasks.limits.pool_process import GUARDIAN

log = logging.getLogger(__name__)


class LimitedRequest(Request):
    """Celery's request, with limits that a guardian keeps."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if GUARDIAN.is_on:
            self.time_limits = (None, None)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Take a pool process that was ended at the hard limit for a timeout, not for a crash."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):  # so billiard wraps what a pool process raised
            error = error.exc
        if isinstance(error, WorkerLostError | SystemExit) and GUARDIAN.has_ended(int(self.worker_pid or 0)):
            task_ready(self)
            self._end(TaskTimeout("ran past its hard limit; its process was ended"))
        elif isinstance(error, MemoryError):
            # for Celery this is the end of the whole worker; one pool process is meant
            task_ready(self)
            self._end(ResourceError("its process ran out of memory", code="out_of_memory"))
        else:
            super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _end(self, error: Exception) -> None:
        """Plan the next attempt, or record the failure; the message is done either way."""
        about = {"task_id": self.id, "why": str(error), "pid": self.worker_pid}
        log.warning("a task was ended from outside", extra=about)
        task: Any = self.task
        own: Any = self._context  # type: ignore[attr-defined] # celery-types does not know it
        request = Context({**vars(own)}, called_directly=False, args=(), kwargs=self.kwargs)
        task.request_stack.push(request)
        try:
            final = task.ended_from_outside(error, int(self.worker_pid or 0))
            if final is not None:
                self._fail(final, request)
        except Retry:
            pass
        except Reject:
            self.reject(requeue=True)
        finally:
            task.request_stack.pop()
        self.acknowledge()  # does nothing for a message that went back

    def _fail(self, error: Exception, request: Context) -> None:
        try:
            raise error
        except type(error):
            info = ExceptionInfo()
        self.task.backend.mark_as_failure(self.id, error, info.traceback, request=request)
        about: Any = {"args": (), "kwargs": self.kwargs, "traceback": error.__traceback__, "einfo": info}
        signals.task_failure.send(sender=self.task, task_id=self.id, exception=error, **about)
        self.send_event("task-failed", exception=repr(error), traceback=info.traceback)
