"""Sends dead letters on their way again: refuses those that cannot run, puts the messages of the others in queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from meetingtasks.app import declare_queue, has_companion
from meetingtasks.broker import Outgoing, outgoing, scripts
from meetingtasks.broker.keys import QueueKeys
from meetingtasks.caps import cap_of
from meetingtasks.dead_letters.message import key_of, message_of, time_limits
from meetingtasks.errors import BusinessError, TaskConflict
from meetingtasks.records import TaskRecord
from meetingtasks.routing import broker_number, check_queue
from meetingtasks.settings import Settings
from meetingtasks.store.requeueing import Going, Letter
from meetingtasks.store.runs import RunStore
from meetingtasks.submission import KEY_HEADER
from meetingtasks.task_types import CATALOGUE, QUEUES

if TYPE_CHECKING:
    from celery import Celery

    from meetingtasks.broker.client import Pipeline

#: task types that are worked on in stages, by tasks of their own: they are rerun from a stage on, not requeued
RUN_TYPES: Final = ("process_recording",)


class DeadLetterMail:
    """Messages for dead letters, to where they came from or to another queue."""

    def __init__(self, app: Celery, settings: Settings, runs: RunStore, *, queue: str | None = None) -> None:
        self._app = app
        self._settings = settings
        self._runs = runs
        self._queue = queue

    def queue_of(self, letter: Letter) -> str:
        """Return the queue that a letter goes to; TaskConflict or BusinessError say why it cannot be sent."""
        record = letter.record
        if not record.name or not isinstance(record.payload, dict):
            raise TaskConflict(f"task {record.id} came without a payload that could be sent again", task_id=record.id)
        if record.type in RUN_TYPES and self._runs.get(record.id) is not None:
            raise TaskConflict(
                f"{record.id} is a run whose good stages are kept; use: meetingtasks rerun {record.id} --from STAGE",
                task_id=record.id,
            )
        return self._target(record)

    def _target(self, record: TaskRecord) -> str:
        task_type = CATALOGUE.find(record.type)
        if self._queue in (None, record.queue) or task_type is None:
            target = self._queue or record.queue or (task_type.queue if task_type else "")
        else:
            target = check_queue(task_type, str(self._queue), QUEUES)
        if not target:
            raise BusinessError(f"nobody knows the queue of task {record.id}; name one", code="unknown_queue")
        return target

    def put(self, pipe: Pipeline, going: Sequence[Going]) -> None:
        """Add the messages to the transaction, where one server has messages and records."""
        if not has_companion(self._app):
            return
        by_queue: defaultdict[str, list[Outgoing]] = defaultdict(list)
        for one in going:
            message = message_of(one, broker_url=self._settings.broker_url)
            outgoing.mark(message)
            by_queue[one.queue].append(outgoing.prepare(message, cap_of))
        pipe.script_load(scripts.load("enqueue").source)
        for queue, messages in by_queue.items():
            scripts.enqueue(QueueKeys(queue), messages, dedupe_ms=0).put_on(pipe)

    def follow(self, going: Sequence[Going]) -> None:
        """Send the messages by themselves, where they and the records are on two servers."""
        if not has_companion(self._app):
            for one in going:
                self._send(one)

    def _send(self, one: Going) -> None:
        record, carried = one.letter.record, one.letter.carried
        declare_queue(self._app, one.queue)
        hard_s, soft_s = time_limits(one)
        options: dict[str, Any] = {
            "task_id": record.id,
            "queue": one.queue,
            "retries": one.letter.number,
            "priority": broker_number(record.priority, self._settings.broker_url),
            "time_limit": hard_s,
            "soft_time_limit": soft_s,
            "headers": {KEY_HEADER: key_of(one)},
            "link": carried.get("callbacks"),
            "link_error": carried.get("errbacks"),
            "chain": carried.get("chain"),
        }
        self._app.send_task(record.name, carried.get("args", []), record.payload, **options)
