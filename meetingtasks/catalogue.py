"""What a task type is, and the registry in which every declared type is found by its name or an alias."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from meetingtasks.errors import UnknownTaskType
from meetingtasks.retry import Backoff, RetryBudget
from meetingtasks.states import Priority


class Pool(StrEnum):
    """What a task type mostly does: compute, in libraries that no exception interrupts, or wait."""

    CPU = "cpu"
    IO = "io"


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """A declared function: its name, its data, and the limits it runs under."""

    name: str
    service: str  # ai, media, meeting, signaling, user, custom-service
    queue: str
    payload: type[BaseModel]
    result: type[BaseModel] | None = None  # None: any JSON
    aliases: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    live_priority: Priority | None = None  # for live meetings, where it differs
    soft_limit_s: int = 60  # the task gets an exception
    hard_limit_s: int = 75  # the task is ended
    heartbeat_s: float | None = None  # a run that reports no progress for so long is ended; None: it need not report
    media_factor: int = 0  # seconds of limit added per second of media
    retries: RetryBudget = field(default_factory=RetryBudget)
    backoff: Backoff | None = None  # how delays grow; None: by the settings
    pool: Pool = Pool.IO
    steps: tuple[str, ...] = ()
    concurrency: int | None = None  # cap over all workers; None: no cap
    expires_s: int | None = None  # start-by time after submit; None: never
    summary: str = ""

    @property
    def needs_process(self) -> bool:
        """Whether it must run in a process of its own, because at its hard limit nothing less can be ended."""
        return self.pool is Pool.CPU

    @property
    def celery_name(self) -> str:
        """The name under which Celery knows it, e.g. ``meetingtasks.ai.speech_recognition``."""
        return f"meetingtasks.{self.service.removesuffix('-service')}.{self.name}"


class Catalogue:
    """All task types, by name and alias."""

    def __init__(self, types: Iterable[TaskType] = ()) -> None:
        self._types: dict[str, TaskType] = {}
        self._names: dict[str, str] = {}  # every name, alias and Celery name -> name
        for task_type in types:
            self.add(task_type)

    def add(self, task_type: TaskType) -> TaskType:
        """Declare a type; ValueError when one of its names is taken by another type."""
        for name in (task_type.name, task_type.celery_name, *task_type.aliases):
            owner = self._names.get(name)
            if owner not in (None, task_type.name):
                raise ValueError(f"the task name {name!r} of {task_type.name!r} is taken by {owner!r}")
        self._types[task_type.name] = task_type
        for name in (task_type.name, task_type.celery_name, *task_type.aliases):
            self._names[name] = task_type.name
        return task_type

    def get(self, name: str) -> TaskType:
        """Find a type by name, alias or Celery name; UnknownTaskType proposes near names."""
        try:
            return self._types[self._names[name]]
        except KeyError:
            raise self.unknown(name) from None

    def find(self, name: str) -> TaskType | None:
        """Find a type, or None."""
        known = self._names.get(name)
        return None if known is None else self._types[known]

    def unknown(self, name: str, *, also: Iterable[str] = ()) -> UnknownTaskType:
        """Build the error for an unknown name; ``also`` are further names to propose from."""
        shown = name[:100]
        near = difflib.get_close_matches(shown, [*self._names, *also], n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; list all with: meetingtasks routes"
        return UnknownTaskType(f"unknown task type {shown!r}{hint}", type=shown, suggestions=near)

    def aliases(self) -> dict[str, str]:
        """Return every accepted name with the type's own name."""
        return dict(self._names)

    def __iter__(self) -> Iterator[TaskType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, name: object) -> bool:
        return name in self._names
