"""Celery's result backend over the task store: ``AsyncResult``, chords and our records are one truth.

Celery asks to store a result; what happens is one transition of the task's record, by the attempt that owns it.
Chords keep Celery's own join in the same server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from celery import states
from celery.backends.redis import RedisBackend
from celery.backends.redis import ResultConsumer as RedisResultConsumer
from celery.utils.log import get_logger

from meetingtasks.clock import to_datetime
from meetingtasks.failures import classify, describe, final_state
from meetingtasks.logs import mask
from meetingtasks.retry import Backoff
from meetingtasks.settings import current
from meetingtasks.states import ErrorClass, TaskState
from meetingtasks.store import keys
from meetingtasks.store.client import connect, open_client
from meetingtasks.store.dead_letters import carried_by
from meetingtasks.store.tasks import End, TaskStore

log = get_logger(__name__)

CELERY_STATES: Final[Mapping[str, str]] = {
    TaskState.RUNNING: states.STARTED,
    TaskState.RETRYING: states.RETRY,
    TaskState.COMPLETED: states.SUCCESS,
    TaskState.FAILED: states.FAILURE,
    TaskState.TIMEOUT: states.FAILURE,
    TaskState.CANCELLED: states.REVOKED,
    TaskState.EXPIRED: states.REVOKED,
}


class ResultConsumer(RedisResultConsumer):
    """Waits for the ends of tasks; after a lost connection it reads the records for what it missed."""

    def _reconnect_pubsub(self) -> None:
        for key in list(self.subscribed_to):
            meta = self.backend.get(key)
            if meta:
                self.on_state_change(self._decode_result(meta), None)
        super()._reconnect_pubsub()


class TaskStoreBackend(RedisBackend):
    """Celery's face of the task store."""

    ResultConsumer = ResultConsumer
    task_keyprefix = keys.PREFIX + "done:"
    group_keyprefix = keys.PREFIX + "group:"
    chord_keyprefix = keys.PREFIX + "chord:"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done_prefix = self.task_keyprefix if isinstance(self.task_keyprefix, bytes) else b""

    def _params_from_url(self, url: str, defaults: Any) -> Any:  # noqa: ARG002 - Celery's signature
        """Leave the URL alone: the client is the store's, which knows more forms."""
        return defaults

    def _create_client(self, **_: Any) -> Any:
        # with connections of its own: Celery drops all of a pool's when it connects anew
        return open_client(self.app.conf.meetingtasks_store_url, health_check_interval=30)

    def as_uri(self, include_password: bool = False) -> str:
        """Return the server's address, by default without its password."""
        return (self.url or "") if include_password else mask(self.url or "")

    @property
    def store(self) -> TaskStore:
        """The records, over this process's own connections."""
        settings = current()
        return TaskStore(
            connect(self.app.conf.meetingtasks_store_url),
            record_ttl_s=settings.record_ttl_s,
            stream_length=settings.event_stream_length,
        )

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing when a task is sent: who waits for its result subscribes then.

        Celery subscribes at every submission; in a producer that never asks for results its lists grow for ever.
        """

    # -- writing ------------------------------------------------------------------------------------------------

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = states.SUCCESS
    ) -> None:
        """Record success; the record is kept even where the caller wants no result."""
        self.store_result(task_id, result if store_result else None, state, request=request)
        if request is not None and request.chord:
            self.on_chord_part_return(request, state, result)

    def mark_as_failure(self, task_id: str, exc: BaseException, *args: Any, **kwargs: Any) -> None:
        """Record failure; the record is kept even where the caller wants no result."""
        kwargs["store_result"] = True
        super().mark_as_failure(task_id, exc, *args, **kwargs)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        """Make the transition that Celery's ``state`` stands for; returns what Celery expects: the encoded result."""
        end = self._end_of(task_id, result, state, traceback, request)
        if end is None:
            return result
        token = getattr(request, "mt_token", None) or ""
        worker = getattr(request, "hostname", None) or ""
        standing = self._tell(task_id, lambda: self.store.finish(task_id, token, end, worker=worker))
        if standing != end.state.value:
            log.warning("an end was refused", extra={"task_id": task_id, "asked": end.state, "standing": standing})
        return self.encode_result(result, state)

    def _tell(self, task_id: str, finish: Callable[[], str]) -> str:
        """Tell the store an end. While it is away the slot is held and the end tried again: work that is done stays."""
        backoff, tries = Backoff(base_s=0.2, cap_s=1.0), 0
        while True:
            try:
                return finish()
            except Exception as error:
                if classify(error) is not ErrorClass.NETWORK:
                    raise
                tries += 1
                if tries == 1:
                    about = {"task_id": task_id, "why": str(error)}
                    log.warning("the store does not answer; the end is told when it is back", extra=about)
                self._sleep(backoff.delay_s(tries, ErrorClass.NETWORK))

    def _end_of(self, task_id: str, result: Any, state: str, traceback: str | None, request: Any) -> End | None:
        if state == states.SUCCESS:
            meta = self._meta(task_id, result, state, None, request)
            partial = isinstance(result, dict) and result.get("partial") is True
            return End(
                state=TaskState.COMPLETED, result=result, meta=meta, children=self._children(request), partial=partial
            )
        if state == states.FAILURE:
            ends_as = final_state(result)
            return End(
                state=ends_as,
                error=describe(result, traceback_text=traceback, task=getattr(request, "task", None) or ""),
                meta=self._meta(task_id, result, CELERY_STATES[ends_as], traceback, request),
                children=self._children(request),
                dead=ends_as in (TaskState.FAILED, TaskState.TIMEOUT),
                payload=getattr(request, "kwargs", None),
                carried=carried_by(vars(request)) if request is not None else {},
            )
        if state == states.REVOKED:
            expired = "expired" in str(result)
            return End(
                state=TaskState.EXPIRED if expired else TaskState.CANCELLED,
                meta=self._meta(task_id, result, state, None, request),
            )
        # STARTED and RETRY are transitions of their own, made where the attempt starts and where its retry is planned
        return None

    def _meta(self, task_id: str, result: Any, state: str, traceback: str | None, request: Any) -> str:
        meta = self._get_result_meta(self.encode_result(result, state), state, traceback, request)
        return str(self.encode({**meta, "task_id": task_id}))

    def _children(self, request: Any) -> str:
        return str(self.encode(self.current_task_children(request)))

    def _forget(self, task_id: str) -> None:
        self.store.forget(task_id)

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, key: str | bytes) -> Any:
        """Read a key; a task's key gives its record as Celery's result meta."""
        found = self.mget([key])
        return found[0]

    def mget(self, wanted: list[str | bytes]) -> list[Any]:
        """Read several keys in one round trip each kind."""
        names = [key.encode() if isinstance(key, str) else key for key in wanted]
        tasks = [name for name in names if name.startswith(self._done_prefix)]
        others = [name for name in names if not name.startswith(self._done_prefix)]
        ids = [name.removeprefix(self._done_prefix).decode() for name in tasks]
        found: dict[bytes, Any] = {}
        if ids:
            for name, task_id, fields in zip(tasks, ids, self.store.get_fields(ids), strict=True):
                found[name] = self.encode(meta_of(task_id, fields)) if fields.get("state") else None
        if others:
            found |= dict(zip(others, self.client.mget(others), strict=True))
        return [found[name] for name in names]


def meta_of(task_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Turn a stored record into Celery's result meta."""
    state = CELERY_STATES.get(fields["state"], states.PENDING)
    return {
        "task_id": task_id,
        "status": state,
        "result": _result_of(fields, state),
        "traceback": _error(fields).get("traceback") or None,
        "children": json.loads(fields.get("children") or "[]"),
        "date_done": to_datetime(int(fields["ended_ms"])).isoformat() if fields.get("ended_ms") else None,
    }


def _result_of(fields: Mapping[str, str], state: str) -> Any:
    if state == states.SUCCESS:
        return json.loads(fields.get("result") or "null")
    if state in (states.FAILURE, states.RETRY):
        error = _error(fields)
        return {
            "exc_type": error.get("exc_type") or "Exception",
            "exc_module": error.get("exc_module") or "builtins",
            "exc_message": [error.get("message", "")],
        }
    if state == states.REVOKED:
        why = fields.get("cancel_reason") or fields["state"]
        return {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions", "exc_message": [why]}
    return None


def _error(fields: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fields.get("error") or "{}")
    return found
