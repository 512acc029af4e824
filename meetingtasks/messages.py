"""What a `RedisMessageQueue` takes and gives: its configuration, messages to publish and messages to handle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from meetingtasks.context import TaskContext
from meetingtasks.deliveries.publishing import TypeName
from meetingtasks.payloads.common import JsonObject
from meetingtasks.requests import MAX_TIMEOUT_S, Identifier, Key
from meetingtasks.routing import QueueName, from_enum_number
from meetingtasks.states import Priority


class RedisQueueConfig(BaseModel):
    """How a queue works here. Times are seconds or a timedelta; a name without a unit means seconds too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    queue_name: QueueName = "ai_tasks"
    workers: int = Field(8, ge=1, le=256, description="Handlers that run at the same time")
    poll_interval_s: float = Field(
        1.0,
        gt=0,
        le=60,
        allow_inf_nan=False,
        validation_alias=AliasChoices("poll_interval_s", "poll_interval"),
        description="Seconds after which an idle worker looks anew at the latest, and notices that it shall stop",
    )
    visibility_timeout_s: float = Field(
        30.0,
        ge=0.3,
        le=86_400,
        allow_inf_nan=False,
        validation_alias=AliasChoices("visibility_timeout_s", "visibility_timeout"),
        description="Seconds after which a task whose process died or hangs goes to another worker",
    )
    max_retries: int = Field(3, ge=0, le=100, description="Retries of messages that do not say how many themselves")

    @field_validator("poll_interval_s", "visibility_timeout_s", mode="before")
    @classmethod
    def _in_seconds(cls, value: object) -> object:
        return _seconds(value)

    @field_validator("workers", "max_retries", mode="before")
    @classmethod
    def _no_bool(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic wants ValueError
        return value


class Message(BaseModel):
    """One message to publish. ``id`` becomes the task's id; publishing the same message twice is a TaskConflict."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    type: TypeName
    payload: JsonObject = Field(default_factory=dict)
    priority: Priority | None = Field(None, description="critical, high, normal, low, or 3-0; none: the type's own")
    timeout_s: float | None = Field(
        None, gt=0, le=MAX_TIMEOUT_S, allow_inf_nan=False, validation_alias=AliasChoices("timeout_s", "timeout")
    )
    max_retries: int | None = Field(None, ge=0, le=100, description="None: the queue's own")
    user_id: Key | None = None
    meeting_id: Key | None = None
    session_id: Identifier | None = None
    id: Identifier = Field(default_factory=lambda: str(uuid4()))

    @field_validator("timeout_s", mode="before")
    @classmethod
    def _in_seconds(cls, value: object) -> object:
        return _seconds(value)

    @field_validator("priority", mode="before")
    @classmethod
    def _by_number(cls, value: object) -> object:
        return from_enum_number(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A message in its handler's hands."""

    id: str
    type: str
    payload: dict[str, Any]
    priority: Priority
    attempt: int  # from 1
    timeout_s: float | None
    context: TaskContext = field(repr=False)

    def progress(self, percent: float, message: str = "") -> None:
        """Report 0-100 percent."""
        self.context.progress(percent, message)

    def check(self) -> None:
        """Raise TaskCancelled or TaskTimeout when the handler should stop; long handlers call this now and then."""
        self.context.check()


def _seconds(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be seconds or a timedelta, not true or false")  # noqa: TRY004 - pydantic wants ValueError
    return value.total_seconds() if isinstance(value, timedelta) else value
