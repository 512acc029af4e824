"""Push and pull: the earlier systems' ``QueueManager``, as a face of the task platform.

>>> queue = QueueManager(redis_url="redis://127.0.0.1:6379/0")                       # doctest: +SKIP
>>> queue.push("task_123", {"audio_files": ["meeting.wav"]}, 5)
True
>>> message = queue.pull(timeout=1)
>>> message["task_id"], message["priority"]
('task_123', 5)
>>> queue.ack(message, result={"minutes_url": "…"})

A pushed task has a record like any other. Pulling it begins an attempt under a lease of ``visibility_timeout_s``: who
neither acknowledges nor renews it in time loses it to the next one who pulls. Failures of the broker are errors, never
an empty answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self, TypedDict

from pydantic import TypeAdapter, ValidationError

from meetingtasks.app import declare_queue
from meetingtasks.context import TaskContext
from meetingtasks.deliveries import Deliveries, Delivery, translated
from meetingtasks.deliveries.publishing import prepare_for
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BusinessError, InvalidPayload, SettingsError, TaskConflict
from meetingtasks.payloads.border import validate
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.requests import Identifier
from meetingtasks.routing import from_push_number
from meetingtasks.sending import send
from meetingtasks.submission import Submission
from meetingtasks.task_types import QUEUES

PRIORITY_KEY: Final = "push_priority"  # in the record's metadata
MOST_URGENT: Final = 10
PROCESS_RECORDING: Final = "process_recording"
_IDENTIFIER: Final = TypeAdapter[str](Identifier)


class QueueBackend(StrEnum):
    """What carries the messages."""

    REDIS = "redis"
    RABBITMQ = "rabbitmq"


class PulledMessage(TypedDict):
    """What `QueueManager.pull` returns; ``priority`` is the number that was pushed, 0-10."""

    task_id: str
    data: dict[str, Any]
    priority: int


class QueueManager:
    """One queue to push tasks to and pull them from. Thread-safe.

    ``task_type`` is what is pushed: on a queue of the platform's services ``process_recording``, whose data are
    checked, on any other queue a type named like the queue, with any JSON object as data.
    """

    def __init__(
        self,
        backend: QueueBackend = QueueBackend.REDIS,
        redis_url: str | None = None,
        queue_name: str = "meeting_tasks",
        *,
        rabbitmq_url: str | None = None,
        visibility_timeout_s: float = 30.0,
        task_type: str | None = None,
    ) -> None:
        if QueueBackend(backend) is QueueBackend.RABBITMQ or rabbitmq_url is not None:
            raise SettingsError("QueueBackend.RABBITMQ comes with the amqp broker; use QueueBackend.REDIS until then")
        self.queue_name = queue_name
        self.dispatcher = TaskDispatcher(redis_url)
        self.task_type = task_type or (PROCESS_RECORDING if queue_name in QUEUES else queue_name)
        self._app, self._store = self.dispatcher.app, self.dispatcher.store
        declare_queue(self._app, queue_name)
        self.deliveries = Deliveries(self._app, self._store, queue_name, lease_s=visibility_timeout_s)
        self._held: dict[str, Delivery] = {}

    def close(self) -> None:
        """Close the connections; what was pulled and not acknowledged comes back when its lease has run out."""
        self._held.clear()
        self.dispatcher.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- producing --------------------------------------------------------------------------------------------------

    def push(self, task_id: str, data: Mapping[str, Any], priority: int = 5) -> bool:
        """Push a task under an id of the caller's; True when it is accepted. ``priority`` is 0-10, larger first.

        Raises InvalidPayload (priority, id or data), TaskConflict (the id is taken) or BrokerUnavailable; then nothing
        is queued.
        """
        submission = self._prepare(task_id, data, priority)
        with translated():
            send(self._app, submission)
        return True

    def _prepare(self, task_id: str, data: Mapping[str, Any], priority: int) -> Submission:
        try:
            checked_id = _IDENTIFIER.validate_python(task_id, strict=True)
        except ValidationError:
            raise InvalidPayload(f"{task_id!r} is no task id: 1-200 printable characters", fields=[]) from None
        if not isinstance(priority, int):
            raise BusinessError(f"priority {priority!r} is outside 0-10", code="invalid_payload", field="priority")
        fields = {
            "type": self.task_type,
            "payload": validate(CustomPayload, data).root,
            "priority": from_push_number(priority).value,
            "metadata": {PRIORITY_KEY: priority},
            "user_id": _key(data.get("user_id")),
            "meeting_id": _key(data.get("meeting_id")),
        }
        submission = prepare_for(self._app, self.queue_name, fields, task_id=checked_id)
        return replace(submission, options={**submission.options, "priority": broker_number(priority)})

    # -- consuming --------------------------------------------------------------------------------------------------

    def pull(self, timeout: float | None = 1) -> PulledMessage | None:
        """Take the most important task, the oldest among equals; waits up to ``timeout`` seconds (None: for ever).

        None when there was none. Follow it by `ack` or `reject`, and by `renew` while the work takes long.
        """
        if timeout is not None and not timeout >= 0:
            raise BusinessError(f"timeout must be 0 or more seconds, not {timeout!r}", code="invalid_payload")
        with translated():
            delivery = self.deliveries.take(timeout)
        if delivery is None:
            return None
        self._held[delivery.task_id] = delivery
        return {"task_id": delivery.task_id, "data": delivery.payload, "priority": _pushed_priority(delivery)}

    def ack(self, message: PulledMessage | str, result: Any = None) -> None:
        """End a pulled task: it is completed, with a result that is JSON.

        TaskConflict when it is not held here, or was lost to another worker because its lease ran out.
        """
        delivery = self._give_up(message)
        with translated():
            self._check_owned(delivery)
            self.deliveries.complete(delivery, result)

    def reject(
        self, message: PulledMessage | str, error: Exception | str = "rejected", *, requeue: bool = False
    ) -> None:
        """End a pulled task's attempt with an error, whose class decides about retries; a text means: never again.

        With ``requeue`` it goes back to its place instead, as if its worker had died: a few times, then it is dead.
        TaskConflict as for `ack`.
        """
        delivery = self._give_up(message)
        with translated():
            self._check_owned(delivery)
            if requeue:
                self.deliveries.release(delivery, counted=True)
            else:
                failure = BusinessError(error, code="rejected") if isinstance(error, str) else error
                self.deliveries.fail(delivery, failure)

    def release(self, message: PulledMessage | str) -> None:
        """Give a pulled task back unfinished, at its old place; uses up no retry. Nothing happens when it is lost."""
        delivery = self._give_up(message)
        with translated():
            self.deliveries.release(delivery)

    def renew(self, message: PulledMessage | str) -> None:
        """Hold a pulled task for another ``visibility_timeout_s`` from now; TaskConflict when it is lost already."""
        delivery = self.held(message)
        with translated():
            lost = self.deliveries.renew([delivery])
        if lost:
            self._give_up(message)
            raise _lost(delivery)

    def context(self, message: PulledMessage | str) -> TaskContext:
        """Return by what a pulled task's code reports progress and learns that it should stop."""
        return self.held(message).context

    def held(self, message: PulledMessage | str) -> Delivery:
        """Return the delivery behind a pulled message; TaskConflict when it is not held here."""
        task_id = message if isinstance(message, str) else message["task_id"]
        try:
            return self._held[task_id]
        except KeyError:
            raise TaskConflict(f"task {task_id} is not held here: pull it first", task_id=task_id) from None

    def _give_up(self, message: PulledMessage | str) -> Delivery:
        delivery = self.held(message)
        del self._held[delivery.task_id]
        return delivery

    def _check_owned(self, delivery: Delivery) -> None:
        if not self.deliveries.owns(delivery):
            raise _lost(delivery)

    # -- the queue as a whole ---------------------------------------------------------------------------------------

    def get_queue_length(self) -> int:
        """Return how many tasks could be pulled now; BrokerUnavailable is an error, not 0."""
        with translated():
            return self.deliveries.ready_count()

    def clear(self) -> int:
        """Cancel every task that waits, also one planned for later, and return how many; running ones go on."""
        with translated():
            return self.deliveries.cancel_all(reason="the queue was cleared")


def broker_number(priority: int) -> int:
    """Return the broker's number for a pushed priority: 10 is its most urgent.

    The order of all eleven is kept where the broker tells ten numbers apart, but for 0 and 1, which become one.
    """
    return MOST_URGENT - priority


def _key(value: object) -> int | str | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _pushed_priority(delivery: Delivery) -> int:
    # a task that came by another door has only the broker's number
    return int(delivery.record.metadata.get(PRIORITY_KEY, MOST_URGENT - delivery.number))


def _lost(delivery: Delivery) -> TaskConflict:
    return TaskConflict(
        f"task {delivery.task_id} is no longer held here: its lease ran out, or it was cancelled or taken over",
        task_id=delivery.task_id,
    )
