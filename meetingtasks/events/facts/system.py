"""What happens to the platform itself: the channel ``system_events``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact


class SystemFact(Fact):
    """Something that happened to the platform."""

    channel: ClassVar[Channel] = "system_events"


class ServiceFact(SystemFact):
    """Something that a service's worker says of itself."""

    service: str = Field(description="The service")
    host: str = Field("", description="The worker's name")


class ServiceStarted(ServiceFact):
    """A worker of a service takes tasks."""

    type: ClassVar[str] = "service_started"


class ServiceStopping(ServiceFact):
    """A worker of a service takes no more tasks."""

    type: ClassVar[str] = "service_stopping"


class WorkerOnline(ServiceFact):
    """A worker was heard of for the first time."""

    type: ClassVar[str] = "worker.online"


class WorkerLost(ServiceFact):
    """A worker is no longer heard of."""

    type: ClassVar[str] = "worker.lost"


class QueueFact(SystemFact):
    """How full a queue is."""

    queue: str = Field(description="The queue")
    pending: int = Field(ge=0, description="Tasks that wait in it")
    threshold: int = Field(ge=0, description="From how many on it is an alarm")
    oldest_age_s: float | None = Field(None, description="How long the oldest waits, in seconds")


class QueueAlarm(QueueFact):
    """A queue became too long."""

    type: ClassVar[str] = "queue.alarm"


class QueueAlarmCleared(QueueFact):
    """A queue is no longer too long."""

    type: ClassVar[str] = "queue.alarm_cleared"


class DeadLetterAdded(SystemFact):
    """A task became a dead letter: the first of its fingerprint, or one of many within a minute."""

    type: ClassVar[str] = "dlq.added"

    task_id: str = Field(description="The task")
    task_type: str | None = Field(None, description="Its type")
    queue: str | None = Field(None, description="Its queue")
    error_code: str | None = Field(None, description="Why")
    reason: str | None = Field(None, description="new: the first of its fingerprint; rate: many within a minute")
    fingerprint: str | None = Field(None, description="What the letters of one kind have in common")
    count: int = Field(1, ge=1, description="How many there were within the minute")


class DeadLetterReport(SystemFact):
    """The dead letters, counted."""

    type: ClassVar[str] = "dlq.report"

    total: int = Field(ge=0, description="How many there are")
    last_hour: int = Field(0, ge=0, description="How many of them died within the last hour")
    by_type: dict[str, int] = Field(default_factory=dict, description="Task type to number")
    by_error: dict[str, int] = Field(default_factory=dict, description="Class of error to number")


class BrokerFact(SystemFact):
    """Whether the broker answers."""

    buffered: int | None = Field(None, ge=0, description="Tasks kept locally meanwhile")


class BrokerDown(BrokerFact):
    """The broker does not answer."""

    type: ClassVar[str] = "broker.down"


class BrokerUp(BrokerFact):
    """The broker answers again."""

    type: ClassVar[str] = "broker.up"


class ScheduleFact(SystemFact):
    """What became of one occurrence of a schedule."""

    schedule: str = Field(description="The schedule's name")
    due_ms: int | None = Field(None, description="When it was due, in ms since 1970")


class ScheduleFired(ScheduleFact):
    """A schedule submitted its task."""

    type: ClassVar[str] = "schedule.fired"

    task_id: str | None = Field(None, description="The task")


class ScheduleMissed(ScheduleFact):
    """A schedule's time passed without its task."""

    type: ClassVar[str] = "schedule.missed"


class ScheduleFailed(ScheduleFact):
    """A schedule's task could not be submitted."""

    type: ClassVar[str] = "schedule.failed"

    reason: str | None = Field(None, description="Why")


class DiskLow(SystemFact):
    """A disk is nearly full."""

    type: ClassVar[str] = "disk.low"

    path: str = Field(description="Where")
    free_bytes: int = Field(ge=0, description="What is left, in bytes")
