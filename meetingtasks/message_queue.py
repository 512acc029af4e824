"""A queue with handlers in this process: the earlier systems' ``RedisMessageQueue``, as a face of the task platform.

A published message is a task like any other: it has a record that a dispatcher finds, can be cancelled, is retried by
the class of its error and becomes a dead letter. A handler is a plain function, run here in a thread:

>>> queue = RedisMessageQueue("redis://127.0.0.1:6379/0", RedisQueueConfig(queue_name="ai_tasks"))  # doctest: +SKIP
>>> queue.register_handler("my_task", lambda message: {"seen": message.payload})
>>> queue.start()
>>> queue.publish(Message(type="my_task", payload={"n": 1}))
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from pydantic import ValidationError

from meetingtasks.app import declare_queue
from meetingtasks.clock import SYSTEM
from meetingtasks.dead_letters import Where
from meetingtasks.deliveries import Attempt, Deliveries, Delivery, LeaseRenewal, Outcome, translated
from meetingtasks.deliveries.border import BROKER_ERRORS
from meetingtasks.deliveries.publishing import celery_name, prepare_for, publish_all
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import InvalidPayload, TaskConflict
from meetingtasks.messages import Message, ReceivedMessage, RedisQueueConfig
from meetingtasks.payloads.border import validate
from meetingtasks.routing import from_broker_number
from meetingtasks.sending import send
from meetingtasks.settings import current
from meetingtasks.states import Priority
from meetingtasks.submission import Submission
from meetingtasks.task_types import CATALOGUE

log = logging.getLogger(__name__)

RETRY_S: Final = 0.5  # pause of an idle slot after the broker did not answer
ACTOR: Final = "message queue"  # in the audit of dead letters


Handler = Callable[[ReceivedMessage], Any]


class RedisMessageQueue:
    """One queue: publishes to it, and between `start` and `stop` runs its messages by the handlers of their types."""

    def __init__(
        self,
        broker: TaskDispatcher | str | None = None,
        config: RedisQueueConfig | Mapping[str, Any] | None = None,
    ) -> None:
        """Take the platform's dispatcher, or the URL of a server (none: this process's settings)."""
        self.config = config if isinstance(config, RedisQueueConfig) else RedisQueueConfig(**(config or {}))
        self._owns_dispatcher = not isinstance(broker, TaskDispatcher)
        self.dispatcher = broker if isinstance(broker, TaskDispatcher) else TaskDispatcher(broker)
        self._app, self._store = self.dispatcher.app, self.dispatcher.store
        declare_queue(self._app, self.config.queue_name)
        self._handlers: dict[str, Handler] = {}
        self._deliveries = Deliveries(
            self._app,
            self._store,
            self.config.queue_name,
            lease_s=self.config.visibility_timeout_s,
            accepts=self._has_handler,
        )
        self._renewal = LeaseRenewal(self._deliveries)
        self._stopping = threading.Event()
        self._is_over = False  # the time that running handlers have at a stop
        self._threads: list[threading.Thread] = []
        self._running: dict[Delivery, Attempt] = {}
        self._published: dict[Delivery, Any] = {}  # results that handlers gave before they returned

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run messages, up to ``workers`` at a time; does nothing when it has begun."""
        if self._threads:
            return
        with translated():
            self._store.client.ping()
        self._stopping.clear()
        self._is_over = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{self.config.queue_name}-{number}", daemon=True)
            for number in range(self.config.workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, wait_s: float | None = None) -> None:
        """Take no more, and let running handlers end for up to ``wait_s`` (none: the settings' own).

        What runs after that is given back: it runs again elsewhere and uses up no retry. May be called twice.
        """
        self._stopping.set()
        until_s = SYSTEM.monotonic_s() + (current().max_shutdown_wait_s if wait_s is None else wait_s)
        for thread in self._threads:
            thread.join(max(0.0, until_s - SYSTEM.monotonic_s()))
        self._is_over = True
        for attempt in list(self._running.values()):
            attempt.give_up()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._renewal.stop()
        if self._owns_dispatcher:
            self.dispatcher.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self, message: Message | Mapping[str, Any]) -> str:
        """Publish one message and return its id.

        Raises InvalidPayload, TaskConflict (the id is taken) or BrokerUnavailable; then nothing is queued.
        """
        submission = self._prepare(message)
        with translated():
            send(self._app, submission)
        return submission.task_id

    def publish_batch(self, messages: Sequence[Message | Mapping[str, Any]]) -> list[str]:
        """Publish many, 500 to a round trip, and return their ids; when one is wrong, none is queued."""
        submissions = [self._prepare(message) for message in messages]
        with translated():
            publish_all(self._app, self._store, submissions)
        return [submission.task_id for submission in submissions]

    def _prepare(self, message: Message | Mapping[str, Any]) -> Submission:
        checked = message if isinstance(message, Message) else _message(message)
        fields = checked.model_dump(exclude={"id"}, exclude_none=True)
        fields.setdefault("max_retries", self.config.max_retries)
        return prepare_for(self._app, self.config.queue_name, fields, task_id=checked.id)

    def publish_result(self, message_id: str, result: Any) -> None:
        """Give the result of a message from inside its handler, which then returns nothing; stored when that ends.

        Raises TaskConflict when no handler of this queue object runs that message.
        """
        delivery = next((running for running in list(self._running) if running.task_id == message_id), None)
        if delivery is None:
            raise TaskConflict(f"message {message_id} is not being handled here", task_id=message_id)
        self._published[delivery] = result

    # -- handling ---------------------------------------------------------------------------------------------------

    def register_handler(self, message_type: str, handler: Handler) -> None:
        """Run ``handler(message) -> result`` for messages of a type; registering again replaces the handler.

        Messages of a type without a handler are put back for others, and given up after a minute.
        """
        known = CATALOGUE.find(message_type)
        self._handlers[known.name if known else message_type] = handler

    def _has_handler(self, name: str) -> bool:
        return self._type_of(name) is not None

    def _type_of(self, name: str) -> str | None:
        known = CATALOGUE.find(name)
        if known is not None:
            return known.name if known.name in self._handlers else None
        # another producer may know the type as another service's
        return next(
            (t for t in self._handlers if name == celery_name(self.config.queue_name, t) or name.endswith(f".{t}")),
            None,
        )

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                delivery = self._deliveries.take(self.config.poll_interval_s, stop=self._stopping)
                if delivery is not None:
                    self._handle(delivery)
            except BROKER_ERRORS as error:
                log.warning("the broker does not answer; trying again", extra={"why": str(error)})
                self._stopping.wait(RETRY_S)
            except Exception:
                log.exception("a message could not be ended; it comes back when its lease has run out")
                self._stopping.wait(RETRY_S)

    def _handle(self, delivery: Delivery) -> None:
        attempt = Attempt(delivery, lambda: self._call(delivery))
        self._running[delivery] = attempt
        if self._is_over:  # it was taken in the very moment of the stop
            attempt.give_up()
        self._renewal.keep(delivery, attempt.give_up)
        try:
            outcome = attempt.run()
            del self._running[delivery]
            self._end(delivery, outcome)
        finally:
            self._renewal.drop(delivery)

    def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.is_given_up:
            self._deliveries.release(delivery)
        elif outcome.error is not None:
            self._deliveries.fail(delivery, outcome.error)
        else:
            self._deliveries.complete(delivery, outcome.result)

    def _call(self, delivery: Delivery) -> Any:
        record = delivery.record
        known = CATALOGUE.find(record.type)
        if known is not None:
            validate(known.payload, delivery.payload)  # a foreign producer may have sent anything
        message = ReceivedMessage(
            id=record.id,
            type=record.type,
            payload=delivery.payload,
            priority=record.priority,
            attempt=record.attempt,
            timeout_s=delivery.limit_s,
            context=delivery.context,
        )
        try:
            result = self._handlers[self._type_of(delivery.request["task"]) or record.type](message)
        finally:
            published = self._published.pop(delivery, None)
        return published if result is None else result

    # -- looking ----------------------------------------------------------------------------------------------------

    def get_stats(self) -> dict[str, int]:
        """Return this queue's counts over all processes: published, processed, failed, retried; pending by priority.

        ``processing_count`` is leased now, ``queue_length`` ready now, ``dead_letter_count`` dead letters kept.
        """
        name = self.config.queue_name
        with translated():
            counts = self._store.counts()
            size = self._deliveries.queue.size()
            dead = self.get_dead_letter_count()
        pending = {f"{level}_pending": 0 for level in Priority}
        for number, count in size.ready.items():
            pending[f"{from_broker_number(number, self.dispatcher.app.conf.broker_url)}_pending"] += count
        return {
            "total_published": counts.get(f"{name}:dispatched", 0),
            "total_processed": counts.get(f"{name}:completed", 0),
            "total_failed": counts.get(f"{name}:failed", 0) + counts.get(f"{name}:timeout", 0),
            "total_retried": counts.get(f"{name}:retried", 0),
            "total_dead_letter": counts.get(f"{name}:dead", 0),
            **pending,
            "queue_length": size.total_ready,
            "processing_count": size.leased,
            "dead_letter_count": dead,
        }

    def get_dead_letter_count(self) -> int:
        """Return how many dead letters of this queue are kept."""
        with translated():
            return self.dispatcher.dead_letters.count(self._mine)

    def requeue_dead_letters(self, limit: int) -> int:
        """Run up to ``limit`` dead letters of this queue again, the oldest first; returns how many went."""
        with translated():
            outcome = self.dispatcher.dead_letters.requeue_matching(self._mine, actor=ACTOR, limit=limit)
        return len(outcome.task_ids)

    def purge_dead_letters(self) -> int:
        """Give up the dead letters of this queue; returns how many there were."""
        with translated():
            return self.dispatcher.dead_letters.purge_matching(self._mine, actor=ACTOR)

    @property
    def _mine(self) -> Where:
        return Where(queue=self.config.queue_name)


def _message(fields: Mapping[str, Any]) -> Message:
    try:
        return Message.model_validate(dict(fields))
    except ValidationError as error:
        problems = [{"field": "/".join(map(str, ("", *e["loc"]))), "problem": e["msg"]} for e in error.errors()]
        raise InvalidPayload("; ".join(f"{p['field']}: {p['problem']}" for p in problems), fields=problems) from None
