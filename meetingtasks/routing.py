"""Which queue a task goes to, and which number a priority has on each broker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from meetingtasks.catalogue import Catalogue, TaskType
from meetingtasks.errors import BusinessError
from meetingtasks.states import Priority

QUEUE_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
QueueName = Annotated[str, StringConstraints(pattern=QUEUE_NAME_PATTERN)]

# On Redis 0 is served first, on RabbitMQ 9: kombu and RabbitMQ differ.
REDIS_NUMBERS: Final[Mapping[Priority, int]] = {
    Priority.CRITICAL: 0,
    Priority.HIGH: 3,
    Priority.NORMAL: 6,
    Priority.LOW: 9,
}
AMQP_NUMBERS: Final[Mapping[Priority, int]] = {level: 9 - number for level, number in REDIS_NUMBERS.items()}


class ServiceRoute(BaseModel):
    """A service outside the catalogue: its queue and the task types it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_name: Annotated[str, StringConstraints(pattern=QUEUE_NAME_PATTERN)]
    queue_name: QueueName
    task_types: tuple[Annotated[str, StringConstraints(pattern=QUEUE_NAME_PATTERN)], ...] = Field(min_length=1)

    def celery_name(self, task_type: str) -> str:
        """Return the name under which Celery knows one of its types."""
        return f"meetingtasks.{self.service_name.removesuffix('-service')}.{task_type}"


def broker_number(priority: Priority, broker_url: str) -> int:
    """Return the broker's own number for a priority."""
    numbers = AMQP_NUMBERS if broker_url.startswith(("amqp", "pyamqp")) else REDIS_NUMBERS
    return numbers[priority]


def from_broker_number(number: int | None, broker_url: str) -> Priority:
    """Return the level nearest to a broker's number, maybe of a finer scale; none is normal, never critical."""
    if number is None:
        return Priority.NORMAL
    if broker_url.startswith(("amqp", "pyamqp")):
        number = 9 - number
    for bound, level in ((1, Priority.CRITICAL), (4, Priority.HIGH), (7, Priority.NORMAL)):
        if number <= bound:
            return level
    return Priority.LOW


def from_enum_number(number: int) -> Priority:
    """Return the level of the enum 0 low, 1 normal, 2 high, 3 critical."""
    by_number = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.CRITICAL)
    if isinstance(number, bool) or not 0 <= number < len(by_number):
        raise BusinessError(f"priority {number!r} is outside 0-3", code="invalid_payload", field="priority")
    return by_number[number]


def from_http_number(number: int) -> Priority:
    """Return the level of the open-ended HTTP scale: below 5 low, from 5 normal, from 10 high, from 20 critical."""
    if isinstance(number, bool):
        raise BusinessError(f"priority {number!r} must be a number", code="invalid_payload", field="priority")
    for threshold, level in ((20, Priority.CRITICAL), (10, Priority.HIGH), (5, Priority.NORMAL)):
        if number >= threshold:
            return level
    return Priority.LOW


def from_push_number(number: int) -> Priority:
    """Return the level of the scale 0-10 of ``push``, larger first."""
    if isinstance(number, bool) or not 0 <= number <= 10:  # noqa: PLR2004 - the scale's own end
        raise BusinessError(f"priority {number!r} is outside 0-10", code="invalid_payload", field="priority")
    for threshold, level in ((9, Priority.CRITICAL), (6, Priority.HIGH), (3, Priority.NORMAL)):
        if number >= threshold:
            return level
    return Priority.LOW


def routes_table(catalogue: Catalogue, custom: Iterable[ServiceRoute] = ()) -> list[dict[str, str]]:
    """Return one row per task type: type, service, queue, celery_name, sorted by queue and type."""
    rows = {t.name: _row(t.name, t.service, t.queue, t.celery_name) for t in catalogue}
    for route in custom:
        rows |= {
            name: _row(name, route.service_name, route.queue_name, route.celery_name(name)) for name in route.task_types
        }
    return sorted(rows.values(), key=lambda row: (row["queue"], row["type"]))


def check_queue(task_type: TaskType, queue: str, known: Iterable[str]) -> str:
    """Return ``queue`` when the type may run there: its own queue, or a shared class of queues."""
    if queue == task_type.queue or queue in SHARED_QUEUES:
        return queue
    if queue not in set(known):
        raise BusinessError(f"there is no queue {queue!r}", code="unknown_queue", queue=queue)
    raise BusinessError(
        f"task {task_type.name} is routed to {task_type.queue}, not {queue}", code="wrong_queue", queue=queue
    )


SHARED_QUEUES: Final = frozenset({"default", "processing", "upload", "notification", "cpu_intensive", "io_intensive"})


def _row(task_type: str, service: str, queue: str, celery_name: str) -> dict[str, str]:
    return {"type": task_type, "service": service, "queue": queue, "celery_name": celery_name}
