"""The one door for tasks: routes, submits, waits, calls back, reports; everything else goes through it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from celery import Celery

from meetingtasks import batch
from meetingtasks.answers import completed_result, refused, response_of, translated
from meetingtasks.app import check_server, create_app
from meetingtasks.cancelling import CancelFilter, Canceller, CancelReport, OnProgress
from meetingtasks.dead_letters import DeadLetters
from meetingtasks.errors import (
    BrokerUnavailable,
    BusinessError,
    MeetingTasksError,
    ResultNotReady,
    RouteConflict,
    TaskConflict,
    TaskNotFound,
    WaitTimeout,
)
from meetingtasks.idempotency import Duplicate, settle
from meetingtasks.outbox import Lookup, Outbox, OutboxProducer
from meetingtasks.outbox import of as outbox_of
from meetingtasks.records import Progress, TaskRecord
from meetingtasks.requests import TaskRequest, TaskResponse
from meetingtasks.routing import ServiceRoute, routes_table
from meetingtasks.sending import send
from meetingtasks.settings import Settings, current, load
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.routes import RouteStore
from meetingtasks.store.tasks import TaskStore
from meetingtasks.submission import Submission, build, build_request, prepare
from meetingtasks.task_types import CATALOGUE
from meetingtasks.waiting import EndWatcher

Requested = TaskRequest | Mapping[str, Any]
Callback = Callable[[TaskResponse], object]


class TaskDispatcher:
    """Submits tasks and tells what becomes of them. Thread-safe; usable as a context manager.

    ``TaskDispatcher()`` uses this process's settings, ``TaskDispatcher(broker_url="redis://…")`` another server.
    """

    def __init__(self, broker_url: str | None = None, *, settings: Settings | None = None) -> None:
        base = settings or current()
        self._settings = base if broker_url is None else load(**{**base.model_dump(), "broker_url": broker_url})
        self.app: Celery = create_app("dispatcher", self._settings, queue="default")
        client = connect(self._settings.effective_store_url)
        self.store = TaskStore(
            client, record_ttl_s=self._settings.record_ttl_s, stream_length=self._settings.event_stream_length
        )
        self._routes = RouteStore(client if self.outbox is None else self.outbox.sender.store.client)
        self._ends = EndWatcher(self.store)
        self._holds_outbox = False
        self._canceller = Canceller(self.store, self._settings)

    @functools.cached_property
    def dead_letters(self) -> DeadLetters:
        """Tasks that failed for the last time: counted, listed, requeued, purged."""
        return DeadLetters(self.app, self._settings)

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Check that the store answers (else BrokerUnavailable) and evicts nothing (else SettingsError).

        With an outbox it is no error when the broker is away: submissions are kept until it is back.
        """
        check_server(self._settings.effective_store_url)
        with translated():
            if self.outbox is None:
                self.store.client.ping()
            else:
                self.outbox.start()
                self._holds_outbox = True
        return self

    def stop(self) -> None:
        """End this dispatcher's thread and connections; tasks go on. May be called twice."""
        self._ends.stop()
        if self.outbox is not None and self._holds_outbox:
            self._holds_outbox = False
            self.outbox.let_go()
        self.app.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def outbox(self) -> Outbox | None:
        """Where tasks are kept while the broker is away; None where the settings have none."""
        return outbox_of(self.app)

    # -- submitting -------------------------------------------------------------------------------------------------

    def dispatch(self, request: Requested) -> TaskResponse:
        """Submit one task and return at once with its id and state: ``buffered`` while the broker is away.

        With an ``idempotency_key`` that was used within 24 h, the response is that of the task of then, marked as
        ``duplicate``. Raises UnknownTaskType, InvalidPayload, TaskConflict (the chosen id is taken, or the key was used
        for another request), BrokerUnavailable, OutboxFull or OutboxUnavailable; after any of them nothing is queued.
        """
        with translated():
            submission = self._prepare(request)
            producer = None if self.outbox is None else OutboxProducer(self.outbox)
            task_id = send(self.app, submission, producer=producer).id
        if task_id != submission.task_id:
            return self._duplicate(task_id)
        kept = producer is not None and producer.kept
        return TaskResponse(task_id=task_id, status=TaskState.BUFFERED if kept else submission.state)

    def dispatch_and_wait(self, request: Requested, timeout_s: float) -> TaskResponse:
        """Submit one task and wait for its end; WaitTimeout after ``timeout_s`` (the task goes on)."""
        return self._await(self.dispatch(request).task_id, timeout_s)

    def dispatch_async(self, request: Requested, callback: Callback) -> TaskResponse:
        """Submit one task and return at once; ``callback(response)`` runs once in this process when it has ended."""
        response = self.dispatch(request)
        self._call_at_end(response.task_id, callback)
        return response

    def register_callback(self, task_id: str, callback: Callback) -> None:
        """Run ``callback(response)`` once in this process when a task has ended, whoever submitted it."""
        self.get(task_id)
        self._call_at_end(task_id, callback)

    def dispatch_batch(self, requests: Sequence[Requested]) -> list[TaskResponse]:
        """Submit up to 500 tasks in one round trip; a bad item gets an error and does not hold up the others.

        Ids of the caller's choice take a second one, to see which of them were taken.
        """
        if len(requests) > batch.LIMIT:
            raise MeetingTasksError(f"a batch has at most {batch.LIMIT} requests, not {len(requests)}", code="batch")
        with translated():
            outcomes = self._settled([self._try_prepare(request) for request in requests])
            good = [outcome for outcome in outcomes if isinstance(outcome, Submission)]
            sent = batch.send_many(self.app, self.store, good) if good else batch.Sent()
        return [sent.answer(outcome) if isinstance(outcome, Submission) else outcome for outcome in outcomes]

    def _settled(self, outcomes: Sequence[Submission | TaskResponse]) -> list[Submission | TaskResponse]:
        """Answer those whose idempotency key was used before."""
        good = [outcome for outcome in outcomes if isinstance(outcome, Submission)]
        settled = iter(settle(self.store, good) if self.outbox is None else self.outbox.settle(good))
        return [self._told(next(settled)) if isinstance(outcome, Submission) else outcome for outcome in outcomes]

    def _told(self, settled: Submission | Duplicate | TaskConflict) -> Submission | TaskResponse:
        if isinstance(settled, TaskConflict):
            return TaskResponse(task_id="", status=TaskState.FAILED, error=settled.body())
        return self._duplicate(settled.task_id) if isinstance(settled, Duplicate) else settled

    def _duplicate(self, task_id: str) -> TaskResponse:
        return replace(response_of(self.get(task_id)), duplicate=True)

    def _prepare(self, request: Requested) -> Submission:
        checked = request if isinstance(request, TaskRequest) else build_request(request)
        routes = self._routes_for(checked.type)
        return prepare(checked, CATALOGUE, routes, broker_url=self._settings.broker_url, settings=self._settings)

    def _routes_for(self, task_type: str) -> Mapping[str, ServiceRoute]:
        fresh = task_type not in CATALOGUE
        if self.outbox is None:
            return self._routes.by_type(fresh=fresh)
        routes = self.outbox.ask(lambda: self._routes.by_type(fresh=fresh), while_away=self._routes.last_read)
        if fresh and task_type not in routes and self.outbox.is_away:
            raise BrokerUnavailable(f"the broker is away, and only it knows whether there is a type {task_type!r}")
        return routes

    def _try_prepare(self, request: Requested) -> Submission | TaskResponse:
        try:
            return self._prepare(request)
        except MeetingTasksError as error:
            return refused(error)

    # -- asking -----------------------------------------------------------------------------------------------------

    def get(self, task_id: str) -> TaskRecord:
        """Return a task's record; TaskNotFound when there is none."""
        with translated():
            record = self.store.get(task_id) if self.outbox is None else Lookup(self.outbox).get(task_id)
        if record is None:
            raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
        return record

    def get_status(self, task_id: str) -> TaskState:
        """Return where a task stands."""
        return self.get(task_id).state

    def get_progress(self, task_id: str) -> Progress:
        """Return how far a task is."""
        return self.get(task_id).progress

    def get_result(self, task_id: str) -> Any:
        """Return a completed task's result; ResultNotReady before its end, TaskFailed when it ended otherwise."""
        record = self.get(task_id)
        if not record.state.is_final:
            raise ResultNotReady(
                f"task {task_id} is {record.state}; its result comes when it has ended", state=record.state.value
            )
        return completed_result(record)

    def wait(self, task_id: str, timeout_s: float) -> TaskResponse:
        """Wait for the end of a task that was submitted anywhere."""
        self.get(task_id)
        return self._await(task_id, timeout_s)

    def _await(self, task_id: str, timeout_s: float) -> TaskResponse:
        ended = threading.Event()
        answer: list[TaskRecord] = []

        def keep(record: TaskRecord) -> None:
            answer.append(record)
            ended.set()

        self._ends.watch(task_id, keep)
        if not ended.wait(timeout_s):
            self._ends.unwatch(task_id, keep)
            raise WaitTimeout(f"task {task_id} has not ended after {timeout_s:g} s; it goes on", task_id=task_id)
        return response_of(answer[0])

    def _call_at_end(self, task_id: str, callback: Callback) -> None:
        self._ends.watch(task_id, lambda record: callback(response_of(record)))

    def cancel(self, task_id: str, *, reason: str = "", actor: str = "") -> str:
        """Cancel a task: ``cancelled`` (it never starts), ``running`` (told to stop), or the final state it has."""
        with translated():
            if self.outbox is None:
                standing = self._canceller.one(task_id, reason=reason, actor=actor)
            else:
                standing = Lookup(self.outbox).cancel(task_id, self._canceller.one, reason=reason, actor=actor)
        if standing == "unknown":
            raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
        return standing

    def cancel_meeting(self, meeting_id: int | str, *, reason: str = "", actor: str = "") -> CancelReport:
        """Cancel everything of a meeting: what waits never starts, what runs is told, later steps do not come."""
        return self.cancel_where(CancelFilter(meeting_id=meeting_id), reason=reason, actor=actor)

    def cancel_where(
        self,
        which: CancelFilter,
        *,
        reason: str = "",
        actor: str = "",
        dry_run: bool = False,
        on_progress: OnProgress | None = None,
    ) -> CancelReport:
        """Cancel the live tasks that fit; BusinessError for a filter that says nothing. See ``Canceller.where``."""
        if which.is_empty:
            raise BusinessError("a filter that fits every task cancels nothing: say which", code="filter_empty")
        with translated():
            return self._canceller.where(which, reason=reason, actor=actor, dry_run=dry_run, on_progress=on_progress)

    def get_stats(self) -> dict[str, int]:
        """Return total_dispatched, total_completed, total_failed, total_timeout, active_tasks over all processes."""
        with translated():
            counts = self.store.counts()
            active = self.store.live_count()
        totals = {f"total_{event}": counts.get(event, 0) for event in ("dispatched", "completed", "failed", "timeout")}
        return {**totals, "active_tasks": active}

    # -- routes -----------------------------------------------------------------------------------------------------

    def register_route(self, route: ServiceRoute | Mapping[str, Any]) -> ServiceRoute:
        """Route task types of another service to its queue, for all processes and across restarts.

        Raises InvalidPayload, or RouteConflict when a type belongs to another service.
        """
        checked = route if isinstance(route, ServiceRoute) else build(ServiceRoute, route)
        with translated():
            others = self._routes.by_type(fresh=True)
            for name in checked.task_types:
                known = CATALOGUE.find(name)
                owner = known.service if known else others[name].service_name if name in others else None
                if owner not in (None, checked.service_name):
                    raise RouteConflict(f"task type {name!r} belongs to {owner}; choose another name", type=name)
            self._routes.save(checked)
        return checked

    def remove_route(self, service_name: str) -> bool:
        """Remove a custom route; False when there was none."""
        with translated():
            return self._routes.remove(service_name)

    def get_routes(self) -> list[dict[str, str]]:
        """Return one row per task type: type, service, queue, celery_name."""
        with translated():
            custom: Iterable[ServiceRoute] = self._routes.all()
        return routes_table(CATALOGUE, custom)
