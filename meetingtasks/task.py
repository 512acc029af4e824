"""Declares tasks: ``Service.task`` turns a function over a payload model into a typed Celery task.

The payload model's constructor becomes the task's signature, so ``task.delay(...)`` is checked by mypy, and checked
again at the producer when it runs: a wrong argument never reaches the broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from celery import Celery, Task
from celery.canvas import Signature
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult
from pydantic import BaseModel

from meetingtasks import lifecycle, logs
from meetingtasks.app import create_app, has_companion
from meetingtasks.backend import TaskStoreBackend
from meetingtasks.catalogue import TaskType
from meetingtasks.context import TaskContext, detached
from meetingtasks.errors import BusinessError, InvalidPayload, ResourceError, TaskCancelled, TaskConflict, TaskTimeout
from meetingtasks.failures import classify, final_state, readable
from meetingtasks.limits import AttemptLimits
from meetingtasks.limits.guard import GUARD
from meetingtasks.limits.pool_process import GUARDIAN
from meetingtasks.logs import mask
from meetingtasks.payloads.border import validate
from meetingtasks.records import from_fields
from meetingtasks.retry import GiveUp
from meetingtasks.sending import send
from meetingtasks.settings import Settings, current
from meetingtasks.states import ErrorClass, TaskState
from meetingtasks.store.tasks import Refused
from meetingtasks.submission import RECORD_HEADER, RETRY_HEADER, Submission, build_request, celery_wishes, prepare
from meetingtasks.task_types import CATALOGUE

#: the clock by which the system tells when a process was born, where it has one
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
P = ParamSpec("P")
PayloadT = TypeVar("PayloadT", bound=BaseModel)
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class TypedTask(Protocol, Generic[P, R_co]):
    """A declared task, with the payload's own parameters."""

    name: str
    app: Celery

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it here and now, without a fleet; returns the result model."""
        ...

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[Any]:
        """Submit it with the type's own priority and limits."""
        ...

    def submit(self, about: Mapping[str, Any], /, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[Any]:
        """Submit it with fields of ``TaskRequest``, e.g. ``{"priority": "high", "meeting_id": 456}``."""
        ...

    def apply_async(
        self, args: tuple[Any, ...] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Submit it as Celery does; every option of Celery's ``apply_async`` works."""
        ...

    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[Any]:
        """Return a signature, for chains, groups and chords."""
        ...

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[Any]:
        """Return an immutable signature."""
        ...


class ServiceTask(Task):  # type: ignore[type-arg]
    """The Celery task behind a declared function."""

    abstract = True
    typing = False  # the payload model checks more than a signature can
    throws: tuple[type[Exception], ...] = (BusinessError, TaskTimeout)  # one line in the log: the code is not at fault
    max_retries = None  # what follows a failure is decided by the class of its error
    Request = "meetingtasks.limits.request:LimitedRequest"  # named, because only a worker imports it
    task_type: TaskType
    handler: Callable[[Any, TaskContext], Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run an attempt: in a worker with its record, called directly without."""
        request = self.request
        if request.called_directly:
            payload = validate(self.task_type.payload, _keywords(self.name, args, kwargs))
            return self.handler(payload, detached(self.task_type.name))
        keywords = _keywords(self.name, args, kwargs)
        store = self._store().store
        try:
            started = lifecycle.start(store, request, keywords)
        except Exception as error:
            # without the store nobody knows whether it may run: it waits where it came from
            raise _handed_back(error) from error
        if isinstance(started, Refused):
            self._settle_refused(started)
            raise Ignore(f"not run: {started.why}")
        request.mt_token = started.token  # the end is stored under it
        limits = AttemptLimits(**lifecycle.limits_of(request, started.record), post=GUARDIAN.post)
        context = TaskContext(record=started.record, token=started.token, store=store, limits=limits)
        record = started.record
        with logs.bound(task_id=record.id, meeting_id=record.meeting_id, trace_id=record.trace_id):
            return self._attempt(keywords, context)

    def _attempt(self, keywords: dict[str, Any], context: TaskContext) -> Any:
        began_s = time.clock_gettime(_BOOT_CLOCK)
        try:
            with GUARD.watching(context.task_id, context.limits):
                result = self.handler(validate(self.task_type.payload, keywords), context)
            return lifecycle.plain_result(result, limit_bytes=current().inline_result_limit_bytes)
        except (Ignore, Reject, Retry):
            raise
        except Exception as error:
            failure = _named(error)
            if final_state(failure) in (TaskState.TIMEOUT, TaskState.CANCELLED):
                GUARDIAN.end_children_since(began_s)
            self._after_failure(failure, context)
            if failure is error:
                raise
            raise failure from error
        finally:
            context.limits.close()
            context.flush()

    def ended_from_outside(self, error: Exception, pid: int) -> Exception | None:
        """Speak, in the worker's main process, for the attempt of a pool process that was ended.

        Returns the error to record, None when the attempt is nobody's or another worker's by now. Raises Retry when the
        next attempt is planned, Reject when that could not be sent.
        """
        store, request = self._store().store, self.request
        try:
            (fields,) = store.get_fields([str(request.id)])
        except Exception as away:
            raise _handed_back(away) from away
        if (fields.get("state"), fields.get("worker"), fields.get("pid")) != ("running", request.hostname, str(pid)):
            return None
        request.mt_token = fields["token"]
        try:
            self._after_failure(error, TaskContext(record=from_fields(fields), token=fields["token"], store=store))
        except TaskCancelled as cancelled:
            return cancelled
        return error

    def submit(self, about: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Submit with fields of ``TaskRequest`` beside the payload."""
        return self.send(self.prepared(_keywords(self.name, args, kwargs), about))

    def prepared(self, payload: Mapping[str, Any], about: Mapping[str, Any]) -> Submission:
        """Check a payload and the fields of a request; nothing is sent."""
        request = build_request({**about, "type": self.task_type.name, "payload": dict(payload)})
        return prepare(request, CATALOGUE, {}, broker_url=self.app.conf.broker_url)

    def send(self, submission: Submission, **options: Any) -> AsyncResult[Any]:
        """Send a prepared submission."""
        return send(self.app, submission, task=self, **options)

    def apply_async(  # noqa: PLR0917 - Celery's own signature
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Submit: ``delay``, canvas and retries all end here. InvalidPayload when the arguments are wrong."""
        given = {"producer": producer, "link": link, "link_error": link_error, "shadow": shadow}
        if options.get("retries"):
            return self._send_retry(args, kwargs, task_id=task_id, **given, **options)
        headers = dict(options.pop("headers", None) or {})
        brought = headers.pop(RECORD_HEADER, None) or {}
        about = {name: brought[name] for name in brought.keys() & _ABOUT}
        wishes = celery_wishes(options, broker_url=self.app.conf.broker_url)
        submission = self.prepared(_keywords(self.name, args, kwargs), {**about, **wishes, "task_id": task_id})
        headers |= submission.options["headers"]
        try:
            return self.send(
                submission, headers=headers, **{k: v for k, v in given.items() if v is not None}, **options
            )
        except TaskConflict:
            if options.get("parent_id") is None:
                raise
            # the step before it ran twice, because its worker died after it had sent this one
            return self.AsyncResult(submission.task_id)

    def _send_retry(self, args: Any, kwargs: Any, **options: Any) -> AsyncResult[Any]:
        return super().apply_async(args, kwargs, **options)

    def _after_failure(self, error: Exception, context: TaskContext) -> None:
        verdict = lifecycle.after_failure(error, context.record)
        if isinstance(verdict, GiveUp):
            return
        try:
            stopped = self._store().store.cancel_asked(context.task_id, context.token)
        except Exception as away:
            raise _handed_back(away) from away
        if stopped:
            raise TaskCancelled("the task was cancelled") from error
        context.log.warning("the attempt failed and is retried", extra={"delay_s": verdict.delay_s, "why": str(error)})
        retries = context.record.retries + 1
        why = readable(mask(f"{type(error).__name__}: {error}")[:500])
        headers: Any = {k: v for k, v in (self.request.headers or {}).items() if k != RECORD_HEADER}
        headers[RETRY_HEADER] = {"why": why, "token": context.token}
        try:
            shown: Any = {"argsrepr": self.request.argsrepr, "kwargsrepr": self.request.kwargsrepr}
            retry = self.retry(exc=error, countdown=verdict.delay_s, throw=False, headers=headers, **shown)
        except Reject as rejected:
            # Celery drops a message whose retry could not be published; handed back, it runs again instead
            raise Reject(rejected.reason, requeue=True) from error
        if not has_companion(self.app):
            eta_ms = context.clock.now_ms() + round(verdict.delay_s * 1000)
            self._store().store.retry(context.task_id, retries, token=context.token, eta_ms=eta_ms, why=why)
        raise retry from error

    def _settle_refused(self, refused: Refused) -> None:
        # The task ended in an earlier delivery whose worker may have died before it counted towards its chord:
        # counting twice is harmless, counting never would leave the chord open.
        request = self.request
        if request.chord and refused.why in ("completed", "failed", "timeout", "cancelled", "expired"):
            backend = self._store()
            meta = backend.get_task_meta(request.id, cache=False)
            backend.on_chord_part_return(request, meta["status"], meta["result"])

    def _store(self) -> TaskStoreBackend:
        return cast("TaskStoreBackend", self.backend)


def _named(error: Exception) -> Exception:
    """Return an error that the worker's main process would take for its own as the task's."""
    if isinstance(error, MemoryError):
        return ResourceError("the task ran out of memory", code="out_of_memory")
    return error


def _handed_back(error: Exception) -> Exception:
    """Return what puts the message back while the store is away; any other error as it is."""
    return Reject(str(error), requeue=True) if classify(error) is ErrorClass.NETWORK else error


#: fields of a request that a signature carries in its record header
_ABOUT = frozenset(
    {
        *("priority", "user_id", "meeting_id", "session_id", "project_id", "pipeline_id", "parent_task_id"),
        *("trace_id", "metadata", "max_retries", "timeout_s", "deadline_s", "heartbeat_s", "retry_policy"),
    }
)


def _keywords(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    if args:
        raise InvalidPayload(
            f"{name} takes named arguments only, e.g. {name.rpartition('.')[2]}.delay(field=value)",
            fields=[{"field": "/payload", "problem": "positional arguments are not accepted"}],
        )
    return dict(kwargs or {})


class Service:
    """One microservice: its Celery app, its queue and the tasks it declares."""

    def __init__(self, name: str, *, queue: str | None = None, settings: Settings | None = None) -> None:
        self.name = name
        self.app = create_app(name.removesuffix("-service"), settings, queue=queue)
        self.app.steps["worker"].add("meetingtasks.limits.step:LimitsStep")  # named, because only a worker imports it

    def task(self, payload: Callable[P, PayloadT]) -> Callable[[Callable[[PayloadT, TaskContext], R]], TypedTask[P, R]]:
        """Declare a function ``(payload, context) -> result`` as the task type of the same name.

        ``payload`` is the type's payload model; ValueError when the catalogue names another model or service.
        """

        def declare(function: Callable[[PayloadT, TaskContext], R]) -> TypedTask[P, R]:
            task_type = CATALOGUE.get(function.__name__)
            if task_type.payload is not payload:
                raise ValueError(f"{function.__name__} takes {task_type.payload.__name__} by the catalogue")
            return cast("TypedTask[P, R]", self.declare(task_type, function))

        return declare

    def declare(self, task_type: TaskType, function: Callable[[Any, TaskContext], Any]) -> ServiceTask:
        """Declare a function as a task type of this service; ValueError when the type is another service's."""
        if task_type.service != self.name:
            raise ValueError(f"{task_type.name} belongs to {task_type.service}, not to {self.name}")
        declared: ServiceTask = self.app.task(
            base=ServiceTask,
            name=task_type.celery_name,
            shared=False,
            lazy=False,
            task_type=task_type,
            handler=staticmethod(function),
        )(function)
        return declared
