"""Client sessions: who is there, what each may have under way, and what becomes of its requests.

>>> clients = ClientTaskManager(dispatcher)                                              # doctest: +SKIP
>>> clients.start()
>>> clients.register_session("session-123", 123, 456)
>>> channel = clients.submit(ClientTaskRequest(
...     request_id="r-1", session_id="session-123", type="ai.speech_recognition", data={…}, priority="high"))
>>> channel.get(timeout_s=60)

All state is in Redis, so any process serves any client. A request's task is followed by whoever cares (a connection, a
channel, the duty that runs each minute); the first that sees its end writes the final frame.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from meetingtasks.answers import translated
from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import Forbidden, MeetingTasksError, TaskConflict, TaskNotFound, UnknownTaskType
from meetingtasks.sessions.channel import ResponseChannel
from meetingtasks.sessions.duty import Duty
from meetingtasks.sessions.ends import Callback, Ends
from meetingtasks.sessions.errors import SessionBusy, SessionTaken, SessionUnknown
from meetingtasks.sessions.requests import Accepted, ClientTaskRequest
from meetingtasks.settings import Settings, current
from meetingtasks.states import TaskState
from meetingtasks.store.sessions import Claim, SessionStore, StoredSession
from meetingtasks.submission import build
from meetingtasks.task_types import CLIENT_TYPES

log = logging.getLogger(__name__)

Key = int | str | None
SWEEP_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Session:
    """A registered session; only the secret ``resume_token`` lets a client take it up again."""

    id: str
    user_id: Key
    meeting_id: Key
    resume_token: str


class ClientTaskManager:
    """Sessions and their requests. Thread-safe; usable as a context manager.

    Clients may ask for the types that are meant for them, and for ``client_task_types`` of the settings.
    """

    def __init__(self, dispatcher: TaskDispatcher, *, settings: Settings | None = None, clock: Clock = SYSTEM) -> None:
        self.settings = settings or current()
        self.dispatcher = dispatcher
        self.store = SessionStore(dispatcher.store.client)
        self._clock = clock
        self.ends = Ends(dispatcher.store, self.store)
        self._duty = Duty(self.run_once, every_s=SWEEP_S)
        self._channels: dict[tuple[str, str], ResponseChannel] = {}

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Begin to end idle sessions, each minute."""
        self._duty.start()
        return self

    def stop(self) -> None:
        """End its threads; sessions and tasks go on. May be called twice."""
        self._duty.stop()
        self.ends.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- sessions ---------------------------------------------------------------------------------------------------

    def register_session(self, session_id: str | None = None, user_id: Key = None, meeting_id: Key = None) -> Session:
        """Begin a session, under an id of one's own or a new one.

        Registering it again for the same user and meeting gives it a new resume token; SessionTaken for another's.
        """
        name, token = session_id or uuid4().hex, secrets.token_urlsafe(32)
        with translated():
            if not self.store.register(name, user_id, meeting_id, digest=_digest(token)):
                raise SessionTaken(f"session {name!r} belongs to another user or meeting")
        return Session(id=name, user_id=user_id, meeting_id=meeting_id, resume_token=token)

    def unregister_session(self, session_id: str) -> bool:
        """End a session and free its slots; its tasks go on. False when there was none."""
        with translated():
            ended = self.store.end(session_id, "unregistered")
        self._forget_channels({session_id})
        return ended

    def resume_session(self, session_id: str, resume_token: str, *, user_id: Key) -> StoredSession:
        """Return a session to who holds its token; SessionUnknown, or Forbidden for a wrong token or user."""
        held = self.session(session_id)
        if not hmac.compare_digest(held.digest, _digest(resume_token)) or _name(held.user_id) != _name(user_id):
            raise Forbidden("the resume token does not belong to this session")
        return held

    def session(self, session_id: str) -> StoredSession:
        """Return a session; SessionUnknown."""
        with translated():
            found = self.store.get(session_id)
        if found is None:
            raise SessionUnknown(f"there is no session {session_id!r}")
        return found

    def activity(self, session_id: str) -> list[dict[str, Any]]:
        """Return what a session did, oldest first, until a day after its end: ``event``, ``at_ms`` and more.

        Events: registered, connected, submitted, refused, finished, disconnected, ended. The newest 500 are kept.
        """
        with translated():
            return self.store.log(session_id)

    def get_stats(self) -> dict[str, int]:
        """Return total_requests, total_success, total_failed and active_sessions, over all processes."""
        with translated():
            return self.store.counts()

    def run_once(self) -> int:
        """Write the final frames that nobody has written, then end the sessions that are idle; returns how many.

        A session is idle ``session_idle_s`` after its last sign of life, while no task of it waits or runs.
        """
        with translated():
            for session_id in self.store.ids():
                self.ends.settle(session_id)
            cutoff_ms = self._clock.now_ms() - round(self.settings.session_idle_s * 1000)
            idle = self.store.ids(before_ms=cutoff_ms)
            ended = sum(self.store.end(session_id, "idle", if_before_ms=cutoff_ms) for session_id in idle)
            self._forget_channels({name for name, _ in self._channels} - set(self.store.ids()))
        return ended

    # -- requests ---------------------------------------------------------------------------------------------------

    def submit(self, request: ClientTaskRequest | Mapping[str, Any]) -> ResponseChannel:
        """Submit a request and return its channel; see ``accept`` for what may be refused."""
        asked = request if isinstance(request, ClientTaskRequest) else build(ClientTaskRequest, request)
        channel = ResponseChannel(self.accept(asked))
        place = (str(asked.session_id), asked.request_id)
        known = self._channels.setdefault(place, channel)
        if known is channel:
            self.ends.follow(*place, channel.task_id, on_progress=channel.tell, on_end=channel.end)
        return known

    def submit_async(
        self, request: ClientTaskRequest | Mapping[str, Any], callback: Callback | None = None
    ) -> ResponseChannel:
        """Submit a request; ``callback(response)`` runs once in this process when its task has ended."""
        channel = self.submit(request)
        if callback is not None:
            channel.then(callback)
        return channel

    def get_response_channel(self, request_id: str, session_id: str | None = None) -> ResponseChannel | None:
        """Return the channel of a request that was submitted in this process; None when there is none.

        Without a session, the newest of that id.
        """
        found = [
            channel
            for (session, request), channel in list(self._channels.items())
            if request == request_id and session_id in (None, session)
        ]
        return found[-1] if found else None

    def accept(self, request: ClientTaskRequest) -> Accepted:
        """Make a request a task, once per request id of its session.

        Raises SessionUnknown, SessionBusy, TaskConflict (the id was used for another request), Forbidden (another
        user's or meeting's), UnknownTaskType, InvalidPayload or BrokerUnavailable; then the id is free again, unless
        the broker went away meanwhile: a repeat finds out.
        """
        if request.type not in CLIENT_TYPES and request.type not in self.settings.client_task_types:
            raise UnknownTaskType(f"clients cannot submit {request.type!r}", type=request.type)
        held = self.session(request.session_id or "")
        for name in ("user_id", "meeting_id"):
            asked, own = getattr(request, name), getattr(held, name)
            if asked is not None and str(asked) != _name(own):
                raise Forbidden(f"{name} is not the session's; leave it out", field=name)
        with translated():
            claim = self.store.claim(
                held.id,
                request.request_id,
                task_id=str(uuid4()),
                digest=request.digest(),
                slots=self.settings.session_max_tasks,
            )
        self._check(claim, request)
        return self._dispatch(request, held, claim)

    def _check(self, claim: Claim, request: ClientTaskRequest) -> None:
        limit = self.settings.session_max_tasks
        if claim.outcome == "gone":
            raise SessionUnknown(f"there is no session {request.session_id!r}")
        if claim.outcome == "conflict":
            raise TaskConflict(
                f"request {request.request_id!r} was another one, which became task {claim.task_id}",
                task_id=claim.task_id,
            )
        if claim.outcome == "busy":
            raise SessionBusy(
                f"{limit} tasks of this session wait or run; {claim.position} must end first",
                limit=limit,
                position=claim.position,
                retry_after_s=claim.retry_after_ms / 1000,
            )

    def _dispatch(self, request: ClientTaskRequest, held: StoredSession, claim: Claim) -> Accepted:
        """Submit under the claimed id; a repeat whose first time got no further than its claim does so as well."""
        before = Accepted(
            request_id=request.request_id, task_id=claim.task_id, status=TaskState.PENDING, duplicate=True
        )
        if claim.outcome == "duplicate":
            try:
                return replace(before, status=self.dispatcher.get_status(claim.task_id))
            except TaskNotFound:
                log.info("a request is submitted again, its task is not there", extra={"task_id": claim.task_id})
        try:
            answer = self.dispatcher.dispatch(
                {
                    "type": request.type,
                    "payload": request.data,
                    "priority": request.priority,
                    "timeout_s": request.timeout,
                    "user_id": held.user_id,
                    "meeting_id": held.meeting_id,
                    "session_id": held.id,
                    "task_id": claim.task_id,
                }
            )
        except TaskConflict:  # somebody repeats the same request at this moment
            return replace(before, status=self.dispatcher.get_status(claim.task_id))
        except MeetingTasksError as error:
            if not error.retryable:
                with translated():
                    self.store.release(held.id, request.request_id, task_id=claim.task_id, why=error.code)
            raise
        return replace(before, status=answer.status, duplicate=False)

    def _forget_channels(self, sessions: set[str]) -> None:
        for place in [place for place in list(self._channels) if place[0] in sessions]:
            self._channels.pop(place, None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _name(key: Key) -> str | None:
    return None if key is None else str(key)
