"""What happens to tasks and to the recordings' runs: the channel ``task_events``.

The store tells a task's changes itself, in the script that makes them, so there is one event for each change and none
without one.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class TaskFact(Fact):
    """A change of a task."""

    channel: ClassVar[Channel] = "task_events"

    task_id: str = Field(description="The task")
    task_type: str = Field("", description="Its type")
    queue: str = Field("", description="Its queue")
    meeting_id: Id | None = Field(None, description="Its meeting")
    attempt: int = Field(0, ge=0, description="How often it was started")


class TaskCreated(TaskFact):
    """A task was accepted."""

    type: ClassVar[str] = "task.created"


class TaskBuffered(TaskFact):
    """A task waits outside the broker, which is away."""

    type: ClassVar[str] = "task.buffered"


class TaskQueued(TaskFact):
    """A task that had been kept back waits in its queue."""

    type: ClassVar[str] = "task.queued"


class TaskStarted(TaskFact):
    """An attempt began."""

    type: ClassVar[str] = "task.started"

    worker: str = Field("", description="Where")


class TaskProgress(TaskFact):
    """A running task came further; told to those who listen now, and not kept."""

    type: ClassVar[str] = "task.progress"

    percent: float = Field(ge=0, le=100, description="How far it is")
    step: str = Field("", description="What it is at")
    completed_steps: int = Field(0, ge=0, description="Steps behind it")
    total_steps: int = Field(0, ge=0, description="Steps in all")
    message: str = Field("", description="The same for people")


class TaskRetrying(TaskFact):
    """An attempt failed and another one is planned."""

    type: ClassVar[str] = "task.retrying"

    retries: int = Field(0, ge=0, description="Retries from now on")
    error: str = Field("", description="Why")


class TaskEnded(TaskFact):
    """A task has its final state."""

    error: str = Field("", description="Why, unless it went well")


class TaskCompleted(TaskEnded):
    """A task has its result."""

    type: ClassVar[str] = "task.completed"


class TaskFailed(TaskEnded):
    """A task failed for good."""

    type: ClassVar[str] = "task.failed"


class TaskTimeout(TaskEnded):
    """A task ran past its limit."""

    type: ClassVar[str] = "task.timeout"


class TaskCancelled(TaskEnded):
    """A task was cancelled."""

    type: ClassVar[str] = "task.cancelled"

    reason: str = Field("", description="What its canceller said")


class TaskExpired(TaskEnded):
    """A task was not started in time."""

    type: ClassVar[str] = "task.expired"


class TaskRequeued(TaskFact):
    """A dead letter was given another chance."""

    type: ClassVar[str] = "task.requeued"


class PipelineFact(Fact):
    """A change of a recording's run."""

    channel: ClassVar[Channel] = "task_events"

    pipeline_id: str = Field(description="The run")
    task_id: str = Field(description="Its task")
    meeting_id: Id | None = Field(None, description="Its meeting")


class PipelineStageStarted(PipelineFact):
    """A stage was opened."""

    type: ClassVar[str] = "pipeline.stage_started"

    stage: str = Field(description="The stage")
    parts: int = Field(1, ge=0, description="Its parts")


class PipelineStageCompleted(PipelineFact):
    """A stage was closed."""

    type: ClassVar[str] = "pipeline.stage_completed"

    stage: str = Field(description="The stage")
    skipped: bool = Field(default=False, description="Whether it was not wanted")


class PipelineCompleted(PipelineFact):
    """A run has its minutes."""

    type: ClassVar[str] = "pipeline.completed"

    partial: bool = Field(default=False, description="Whether a stretch is missing")


class PipelineFailed(PipelineFact):
    """A run ended without minutes."""

    type: ClassVar[str] = "pipeline.failed"

    stage: str | None = Field(None, description="Where")
    state: str = Field("failed", description="failed, timeout, cancelled or expired")
