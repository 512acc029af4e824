"""What a producer asks for and what it gets back: ``TaskRequest`` and ``TaskResponse``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from meetingtasks.payloads.json_value import CONTROL, FREE_FORM, SURROGATE, check_json
from meetingtasks.retry import Policy
from meetingtasks.routing import QueueName
from meetingtasks.states import Priority, TaskState

MAX_TIMEOUT_S = 86_400
MAX_DEADLINE_S = 366 * 86_400
LONGEST_IDENTIFIER = 200
_PRINTABLE = re.compile(r"[ -~]{1,255}")
_LARGEST_KEY = 2**63 - 1  # what databases and other languages can hold


def _identifier(text: object) -> object:
    if isinstance(text, str):
        if not text:
            raise ValueError("must not be empty")
        if len(text) > LONGEST_IDENTIFIER:
            raise ValueError(f"must have at most {LONGEST_IDENTIFIER} characters")
        if SURROGATE.search(text):
            raise ValueError("invalid unicode")
        if CONTROL.search(text):
            raise ValueError("control characters not allowed")
    return text


def _key(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number or a name, not true or false")  # noqa: TRY004 - pydantic wants ValueError
    if isinstance(value, int) and not -_LARGEST_KEY - 1 <= value <= _LARGEST_KEY:
        raise ValueError("number too large")
    if value is not None and not isinstance(value, int | str):
        raise ValueError("must be a whole number or a name")
    return _identifier(value)


def _plain_json(value: dict[str, Any]) -> dict[str, Any]:
    check_json(value, FREE_FORM)
    return value


Identifier = Annotated[str, BeforeValidator(_identifier)]
#: numbers or names, kept as the caller's own systems have them
Key = Annotated[int | str, BeforeValidator(_key)]


class TaskRequest(BaseModel):
    """One submission: a task type, its payload, and how it is to be run."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    type: Identifier = Field(validation_alias=AliasChoices("type", "task_type"), description="Task type or alias")
    payload: dict[str, Any] = Field(default_factory=dict, description="The type's own data")
    priority: Priority | None = Field(None, description="critical, high, normal or low; none: the type's own")
    queue: QueueName | None = Field(
        None, validation_alias=AliasChoices("queue", "queue_name"), description="Another queue that may run the type"
    )
    timeout_s: float | None = Field(
        None,
        validation_alias=AliasChoices("timeout_s", "timeout"),
        gt=0,
        le=MAX_TIMEOUT_S,
        description="Seconds an attempt may run; none: the type's own limit",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        le=MAX_DEADLINE_S,
        description="Seconds from now by which the task must have ended, waiting and retries included; none: any",
    )
    heartbeat_s: float | None = Field(
        None,
        gt=0,
        le=MAX_TIMEOUT_S,
        description="End a run that reports no progress for so many seconds; none: the type's own rule",
    )
    retry_policy: Policy | None = Field(None, description="exponential or quadratic delays; none: the type's own")
    max_retries: int | None = Field(None, ge=0, le=100, description="Retries after the first attempt; none: by error")
    user_id: Key | None = None
    meeting_id: Key | None = None
    session_id: Identifier | None = None
    project_id: Key | None = Field(None, validation_alias=AliasChoices("project_id", "tenant_id"))
    pipeline_id: Identifier | None = None
    parent_task_id: Identifier | None = None
    trace_id: Identifier | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(_plain_json)] = Field(default_factory=dict)
    task_id: str | None = Field(None, description="A UUID of the caller's choice; none: a new one")
    eta: datetime | None = Field(
        None, validation_alias=AliasChoices("eta", "scheduled_at"), description="Not before this time (with zone)"
    )
    expires_at: datetime | None = Field(None, description="Never start after this time (with zone)")
    idempotency_key: str | None = Field(
        None,
        description="1-255 printable ASCII characters; within 24 h the same key of the same owner is the same task",
    )

    callback_url: str | None = Field(None, description="Address that is told of the task's end, by a signed POST")
    callback_secret: Identifier | None = Field(None, description="Name of the secret that signs it; none: default")

    @field_validator("task_id")
    @classmethod
    def _uuid(cls, task_id: str | None) -> str | None:
        return None if task_id is None else str(UUID(task_id))

    @field_validator("idempotency_key")
    @classmethod
    def _printable(cls, key: str | None) -> str | None:
        if key is not None and not _PRINTABLE.fullmatch(key):
            raise ValueError("must be 1-255 printable ASCII characters")
        return key

    @model_validator(mode="after")
    def _one_way_to_repeat(self) -> Self:
        if self.idempotency_key is not None and self.task_id is not None:
            raise ValueError("task_id and idempotency_key exclude each other: both name the one task of a repeat")
        return self

    @field_validator("priority", mode="before")
    @classmethod
    def _by_name(cls, priority: object) -> object:
        if priority is None or (isinstance(priority, str) and priority in set(Priority)):
            return priority
        raise ValueError("priority must be one of critical, high, normal, low")

    @field_validator("timeout_s", "deadline_s", "heartbeat_s", mode="before")
    @classmethod
    def _finite(cls, seconds: object, info: ValidationInfo) -> object:
        if isinstance(seconds, bool) or (isinstance(seconds, float) and not math.isfinite(seconds)):
            raise ValueError(f"{str(info.field_name).removesuffix('_s')} must be a finite number of seconds")
        return seconds

    @field_validator("max_retries", mode="before")
    @classmethod
    def _no_bool(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic wants ValueError
        return value

    @field_validator("eta", "expires_at")
    @classmethod
    def _aware(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("needs a time zone, e.g. 2026-01-31T09:00:00Z")
        try:
            return None if moment is None else moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("is out of the calendar") from None


@dataclass(frozen=True, kw_only=True)
class TaskResponse:
    """What a submission came to: an id and a status, or an error; the result once it is there."""

    task_id: str
    status: TaskState
    result: Any = None
    error: dict[str, Any] | None = None  # {"code", "message", "details", "retryable"}
    duplicate: bool = False  # its idempotency key was used before: this is the task of then

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return self.error is None
