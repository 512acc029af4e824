"""What a client asks for and what it is told at the end: ``ClientTaskRequest`` and ``ClientTaskResponse``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from meetingtasks.answers import response_of
from meetingtasks.clock import to_datetime
from meetingtasks.records import TaskRecord
from meetingtasks.requests import Identifier, Key
from meetingtasks.states import Priority, TaskState

#: a larger result is fetched over HTTP
INLINE_BYTES: Final = 256 * 1024
_DONT_COMPARE: Final = {"request_id", "user_id", "meeting_id", "session_id"}


class ClientTaskRequest(BaseModel):
    """One task that a client of a session wants; its user and meeting are the session's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_id: Identifier = Field(description="The client's own id: within the session the same id is the same task")
    type: Identifier = Field(description="What clients may ask for, as ai.speech_recognition")
    data: dict[str, Any] = Field(default_factory=dict, description="The type's payload")
    priority: Priority | None = Field(None, description="critical, high, normal or low; none: the type's own")
    timeout: Annotated[float, Field(gt=0, le=86_400)] | None = Field(None, description="Seconds an attempt may run")
    user_id: Key | None = None
    meeting_id: Key | None = None
    session_id: Identifier | None = None

    def digest(self) -> str:
        """Return what two requests have in common that ask for the same."""
        asked = json.dumps(self.model_dump(mode="json", exclude=_DONT_COMPARE), sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:40]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A request that became a task, now or (``duplicate``) before."""

    request_id: str
    task_id: str
    status: TaskState
    duplicate: bool = False


@dataclass(frozen=True, kw_only=True)
class ClientTaskResponse:
    """How a request ended; ``result_url`` stands for data above 256 KiB."""

    request_id: str
    task_id: str
    status: Literal["success", "error"]
    data: Any = None
    error: dict[str, Any] | None = None  # {"code", "message", "details", "retryable"}
    processed_at: str = ""  # RFC 3339, UTC
    duration_ms: int = 0  # from acceptance to end
    partial: bool = False
    result_url: str | None = None

    @classmethod
    def of(cls, request_id: str, record: TaskRecord) -> Self:
        """Tell the end that a record shows."""
        told = response_of(record)
        ended_ms = record.ended_ms or record.created_ms
        completed = record.state is TaskState.COMPLETED
        too_large = completed and len(json.dumps(record.result, ensure_ascii=False).encode()) > INLINE_BYTES
        return cls(
            request_id=request_id,
            task_id=record.id,
            status="success" if completed else "error",
            data=record.result if completed and not too_large else None,
            error=None if completed else told.error,
            processed_at=to_datetime(ended_ms).isoformat(),
            duration_ms=ended_ms - record.created_ms,
            partial=record.partial,
            result_url=f"/api/v1/tasks/{record.id}/result" if too_large else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)
