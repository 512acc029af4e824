"""What the platform knows about a task, as frozen values, and how a stored hash is read into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from meetingtasks.retry import Policy
from meetingtasks.states import Priority, TaskState


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a task is; ``percent`` never falls within an attempt."""

    percent: float = 0.0
    step: str = ""
    completed_steps: int = 0
    total_steps: int = 0
    message: str = ""
    updated_ms: int | None = None

    @property
    def progress(self) -> float:
        """The percent, under the name that earlier systems used."""
        return self.percent


@dataclass(frozen=True, kw_only=True)
class TaskError:
    """Why a task failed."""

    code: str
    error_class: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""
    exc_type: str = ""
    exc_module: str = ""
    fingerprint: str = ""  # the same for all failures of one type of task by one kind of error at one place


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run of a task."""

    attempt: int
    worker: str
    pid: int
    started_ms: int
    ended_ms: int | None = None
    outcome: str = "running"  # completed, failed, retrying, timeout, cancelled, lost
    error: str = ""

    @property
    def run_ms(self) -> int | None:
        """Milliseconds it ran, once it has ended."""
        return None if self.ended_ms is None else self.ended_ms - self.started_ms


@dataclass(frozen=True, kw_only=True)
class Generation:
    """An earlier life of a task: it ended as a dead letter and was requeued."""

    generation: int
    state: TaskState
    ended_ms: int
    error: TaskError | None
    queue: str
    attempt: int  # how many attempts there had been
    retries: int
    requeued_ms: int
    requeued_by: str


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """Everything that the store knows about a task."""

    id: str
    type: str
    name: str
    service: str
    queue: str
    priority: Priority
    state: TaskState
    created_ms: int
    eta_ms: int | None = None
    due_ms: int | None = None  # when the planned retry runs
    first_started_ms: int | None = None
    started_ms: int | None = None  # of the newest attempt
    ended_ms: int | None = None
    expires_ms: int | None = None
    attempt: int = 0
    retries: int = 0
    max_retries: int | None = None
    timeout_s: float | None = None
    deadline_ms: int | None = None  # it must have ended by then, however often it is tried
    heartbeat_s: float | None = None  # a run that reports nothing for so long is ended
    retry_policy: Policy | None = None  # how the delays of its retries grow; None: as its type says
    worker: str = ""
    payload: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    user_id: int | str | None = None
    meeting_id: int | str | None = None
    session_id: str | None = None
    project_id: int | str | None = None
    pipeline_id: str | None = None
    parent_task_id: str | None = None
    trace_id: str | None = None
    callback_url: str | None = None
    callback_secret: str | None = None
    progress: Progress = field(default_factory=Progress)
    result: Any = None
    error: TaskError | None = None
    partial: bool = False
    redelivered: bool = False  # a worker was lost while it ran
    dead: bool = False
    cancel_reason: str = ""
    cancel_actor: str = ""
    attempts: tuple[Attempt, ...] = ()
    generation: int = 1  # one more with each requeue
    retries_before: int = 0  # of earlier generations
    earlier: tuple[Generation, ...] = ()

    @property
    def retry_count(self) -> int:
        """Retries so far in this generation; ``retries`` goes on from one to the next and numbers the messages."""
        return self.retries - self.retries_before

    @property
    def wait_ms(self) -> int | None:
        """Milliseconds from acceptance (or its planned time) to the first start."""
        if self.first_started_ms is None:
            return None
        return max(0, self.first_started_ms - max(self.created_ms, self.eta_ms or 0))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


_PLAIN = (
    "id",
    "type",
    "name",
    "service",
    "queue",
    "worker",
    "cancel_reason",
    "cancel_actor",
    "callback_url",
    "callback_secret",
)
_NUMBERS = (
    *("created_ms", "eta_ms", "due_ms", "first_started_ms", "started_ms", "ended_ms", "expires_ms"),
    "deadline_ms",
    *("attempt", "retries", "max_retries", "generation", "retries_before"),
)
_VALUES = (
    *("payload", "metadata", "user_id", "meeting_id", "session_id", "project_id", "pipeline_id"),
    *("parent_task_id", "trace_id", "result", "timeout_s", "heartbeat_s", "retry_policy"),
)
_ATTEMPT_PREFIX = "attempt:"
_GENERATION_PREFIX = "generation:"


def to_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Turn a record's first values into the strings of a stored hash; None is left out."""
    fields: dict[str, str] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name in _VALUES:
            fields[name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        else:
            fields[name] = str(value)
    return fields


def from_fields(fields: Mapping[str, str]) -> TaskRecord:
    """Read a stored hash; KeyError or ValueError when it is not a task's record."""
    values: dict[str, Any] = {name: fields[name] for name in _PLAIN if name in fields}
    values |= {name: int(fields[name]) for name in _NUMBERS if fields.get(name)}
    values |= {name: json.loads(fields[name]) for name in _VALUES if fields.get(name)}
    return TaskRecord(
        **values,
        priority=Priority(fields.get("priority", "normal")),
        state=TaskState(fields["state"]),
        progress=_progress(fields),
        error=TaskError(**json.loads(fields["error"])) if fields.get("error") else None,
        partial=fields.get("partial") == "1",
        redelivered=fields.get("redelivered") == "1",
        dead=fields.get("dead") == "1",
        attempts=_attempts(fields),
        earlier=_earlier(fields),
    )


def _progress(fields: Mapping[str, str]) -> Progress:
    return Progress(
        percent=float(fields.get("percent", "0")),
        step=fields.get("step", ""),
        completed_steps=int(fields.get("completed_steps", "0")),
        total_steps=int(fields.get("total_steps", "0")),
        message=fields.get("message", ""),
        updated_ms=int(fields["progress_ms"]) if "progress_ms" in fields else None,
    )


def _attempts(fields: Mapping[str, str]) -> tuple[Attempt, ...]:
    found = [Attempt(**json.loads(value)) for name, value in fields.items() if name.startswith(_ATTEMPT_PREFIX)]
    return tuple(sorted(found, key=lambda attempt: attempt.attempt))


def _earlier(fields: Mapping[str, str]) -> tuple[Generation, ...]:
    found = [json.loads(value) for name, value in fields.items() if name.startswith(_GENERATION_PREFIX)]
    return tuple(sorted(map(_generation, found), key=lambda life: life.generation))


def _generation(values: dict[str, Any]) -> Generation:
    error = TaskError(**values["error"]) if values["error"] else None
    return Generation(**{**values, "state": TaskState(values["state"]), "error": error})
