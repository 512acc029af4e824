"""The frames of the WebSocket protocol, version 1: what a client may send, what it is sent, and the names of errors.

A frame is ``{"v": 1, "type": …, "id": …, "seq": n, "ts": ms, "data": {…}}``. ``id`` is the client's own, repeated in
the answer. ``seq`` counts, without holes, the frames that are kept for a client that is away; others have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from meetingtasks import errors
from meetingtasks.clock import SYSTEM
from meetingtasks.requests import Identifier, Key
from meetingtasks.sessions.errors import SessionBusy, SessionTaken, SessionUnknown
from meetingtasks.sessions.requests import ClientTaskRequest
from meetingtasks.store.sessions import Frame
from meetingtasks.submission import build

VERSION: Final = 1
MAX_FRAME_BYTES: Final = 1024 * 1024
MOST_TASKS: Final = 100
#: whose events a client may have: those that name a meeting
CHANNELS: Final = frozenset(
    {"meeting_events", "media_events", "ai_events", "user_events", "signaling_events", "task_events"}
)
_LARGEST_SEQ: Final = 2**53


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(_Data):
    """Who is there; with ``session_id`` and ``resume_token``: that session goes on after the frame ``last_seq``."""

    token: Annotated[str, Field(min_length=1, max_length=8192)] | None = None
    session_id: Identifier | None = None
    resume_token: Annotated[str, Field(max_length=200)] | None = None
    last_seq: Annotated[int, Field(strict=True, ge=0, le=_LARGEST_SEQ)] = 0
    meeting_id: Key | None = None


class Submit(ClientTaskRequest):
    """A task that is wanted; ``subscribe`` false: without its progress."""

    subscribe: bool = True


class Which(_Data):
    """A task, by its own id or the request's."""

    request_id: Identifier | None = None
    task_id: Identifier | None = None


class Interest(_Data):
    """Tasks and pipelines whose progress and end, and channels whose events are wanted."""

    tasks: Annotated[list[Identifier], Field(max_length=MOST_TASKS)] = []
    pipelines: Annotated[list[Identifier], Field(max_length=MOST_TASKS)] = []
    channels: Annotated[list[Identifier], Field(max_length=len(CHANNELS))] = []


class Ack(_Data):
    """The client has every frame up to ``seq``."""

    seq: Annotated[int, Field(strict=True, ge=0, le=_LARGEST_SEQ)]


class Nothing(_Data):
    """A frame without data."""


MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "hello": Hello,
    "task.submit": Submit,
    "task.cancel": Which,
    "task.get": Which,
    "subscribe": Interest,
    "unsubscribe": Interest,
    "ack": Ack,
    "ping": Nothing,
}

#: by the first fitting class
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.MalformedBody, "BAD_FRAME"),
    (errors.UnsupportedMediaType, "BAD_FRAME"),
    (errors.InvalidPayload, "INVALID_PAYLOAD"),
    (errors.UnknownTaskType, "INVALID_PAYLOAD"),
    (errors.Unauthorized, "UNAUTHORIZED"),
    (errors.Forbidden, "FORBIDDEN"),
    (SessionUnknown, "SESSION_UNKNOWN"),
    (SessionTaken, "CONFLICT"),
    (SessionBusy, "SESSION_BUSY"),
    (errors.RateLimited, "RATE_LIMITED"),
    (errors.TaskNotFound, "NOT_FOUND"),
    (errors.TaskConflict, "CONFLICT"),
    (errors.PayloadTooLarge, "PAYLOAD_TOO_LARGE"),
    (errors.BrokerUnavailable, "BROKER_DOWN"),
    (errors.WaitTimeout, "TIMEOUT"),
    (errors.BusinessError, "INVALID_PAYLOAD"),
)


class BadFrame(errors.MalformedBody):
    """A frame that is none of the protocol."""

    code = "bad_frame"


class UnknownType(BadFrame):
    """A frame of a type that the protocol does not have."""

    code = "unknown_type"


@dataclass(frozen=True)
class Incoming:
    """A frame of the client."""

    type: str
    id: str | int | None
    data: BaseModel


def id_of(frame: Mapping[str, Any]) -> str | int | None:
    """Return a frame's id, None when it is no good one."""
    found = frame.get("id")
    fits = (isinstance(found, str) and len(found) <= 200) or (isinstance(found, int) and not isinstance(found, bool))  # noqa: PLR2004 - as long as any identifier
    return found if fits else None


def read(frame: Mapping[str, Any]) -> Incoming:
    """Read a frame; BadFrame, UnknownType or InvalidPayload."""
    if frame.get("v", VERSION) != VERSION:
        raise BadFrame(f"this server speaks version {VERSION}")
    if frame.get("id") is not None and id_of(frame) is None:
        raise BadFrame("id must be a text of at most 200 characters or a whole number")
    kind, data = frame.get("type"), frame.get("data", {})
    if not isinstance(kind, str):
        raise BadFrame("type is missing")
    if kind not in MODELS:
        raise UnknownType(f"there is no type {kind[:100]!r}; use one of {', '.join(MODELS)}")
    if unknown := frame.keys() - {"v", "type", "id", "seq", "ts", "data"}:
        raise BadFrame(f"unknown field {min(unknown)[:100]}")
    if not isinstance(data, dict):
        raise BadFrame("data must be an object")
    return Incoming(kind, id_of(frame), build(MODELS[kind], data))


def frame(kind: str, data: Mapping[str, Any], *, answers: str | int | None = None) -> str:
    """Return a frame of the server that is sent once, as JSON."""
    return _text({"v": VERSION, "type": kind, "id": answers, "ts": SYSTEM.now_ms(), "data": data})


def kept(owed: Frame) -> str:
    """Return a frame that is kept for the client, as JSON."""
    about = {"v": VERSION, "type": owed.type, "id": None, "seq": owed.seq, "ts": owed.ts_ms, "data": owed.data}
    return _text(about)


def refusal(error: errors.MeetingTasksError, *, answers: str | int | None = None) -> str:
    """Return the frame that tells an error."""
    if isinstance(error, UnknownType):
        code = "UNKNOWN_TYPE"
    else:
        code = next((name for kind, name in _CODES if isinstance(error, kind)), "INTERNAL")
    data = {"code": code, "message": error.message[:1000], "retryable": error.retryable, **_told(error)}
    return frame("error", data, answers=answers)


def _told(error: errors.MeetingTasksError) -> dict[str, Any]:
    names = ("fields", "retry_after_s", "limit", "position", "task_id")
    return {name: error.details[name] for name in names if error.details.get(name) is not None}


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, ensure_ascii=False, separators=(",", ":"))
