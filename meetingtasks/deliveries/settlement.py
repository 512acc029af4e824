"""How an attempt that ran outside a Celery worker ends: by Celery's own tracer, so chains and chords go on as ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from celery import Celery
from celery import states as celery_states
from celery.app.task import Context
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject, Retry

from meetingtasks.backend import TaskStoreBackend
from meetingtasks.catalogue import TaskType
from meetingtasks.deliveries.delivery import Delivery
from meetingtasks.errors import BusinessError
from meetingtasks.lifecycle import plain_result
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.settings import current
from meetingtasks.states import TaskState
from meetingtasks.task import ServiceTask
from meetingtasks.task_types import CATALOGUE

Tracer = Callable[..., Any]
_build_tracer: Tracer = build_tracer  # Celery's types know no more


class SettledTask(ServiceTask):
    """A task whose work is done already: running it gives the outcome that the request carries."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result, or plan the retry of the failure or raise it."""
        del args, kwargs
        request: Any = self.request
        delivery: Delivery = request.mt_delivery
        request.mt_token = delivery.context.token  # the end is stored under it
        delivery.context.flush()
        if request.mt_error is None:
            return request.mt_result
        if not isinstance(request.mt_error, Ignore | Reject | Retry):
            self._after_failure(request.mt_error, delivery.context)
        raise request.mt_error


class Settlement:
    """Ends attempts of one app's tasks, of any type. Thread-safe."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._tracers: dict[str, Tracer] = {}
        self._lock = threading.Lock()

    @property
    def _backend(self) -> TaskStoreBackend:
        return cast("TaskStoreBackend", self._app.backend)

    def settle(self, delivery: Delivery, *, result: Any = None, error: Exception | None = None) -> bool:
        """Record what an attempt came to; False when its retry could not be sent: then the message must come back."""
        if error is None:
            result, error = _plain(result)
        carried = {"mt_delivery": delivery, "mt_result": result, "mt_error": error}
        request = {**delivery.request, **carried}
        tracer = self._tracer(delivery.request["task"])
        _, info, _, _ = tracer(delivery.task_id, delivery.request["args"], delivery.request["kwargs"], request)
        for raised in (error, info and info.retval):
            if isinstance(raised, BaseException):
                # its frames hold the request that holds it: in this ring results would outlive the connection
                raised.__traceback__ = None
        return info is None or info.state != celery_states.REJECTED or not info.retval.requeue

    def refused(self, request: Mapping[str, Any], why: str) -> None:
        """Count a task that has ended already towards its chord: its last worker may have died before it did so."""
        if request.get("chord") and why in set(TaskState) and TaskState(why).is_final:
            meta = self._backend.get_task_meta(request["id"], cache=False)
            self._backend.on_chord_part_return(Context(dict(request)), meta["status"], meta["result"])

    def _tracer(self, name: str) -> Tracer:
        with self._lock:
            if name not in self._tracers:
                self._tracers[name] = _build_tracer(name, self._declare(name), app=self._app)
            return self._tracers[name]

    def _declare(self, name: str) -> Any:
        service, _, short = name.removeprefix("meetingtasks.").partition(".")
        known = CATALOGUE.find(name)
        task_type = known or TaskType(name=short or name, service=service, queue="", payload=CustomPayload)
        options: dict[str, Any] = {"base": SettledTask, "name": name, "task_type": task_type, "handler": None}
        declare: Any = self._app.task(shared=False, lazy=False, **options)
        task = declare(_outcome)
        if not isinstance(task, SettledTask):
            raise TypeError(f"this app has a task {name} of its own; use an app without tasks")
        return task


def _outcome() -> None:
    """Stand where a task's function stands; `SettledTask` never calls it."""


def _plain(result: Any) -> tuple[Any, Exception | None]:
    try:
        return plain_result(result, limit_bytes=current().inline_result_limit_bytes), None
    except BusinessError as refused:
        return None, refused
