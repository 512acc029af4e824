"""Submitting many tasks at once, without Celery's way through routing, entities and signals for each of them.

A `TaskTemplate` prepares once what all messages of a task type share; a `Submitter` sends any number of them, 500 in a
round trip. The messages are the same as ``apply_async`` makes, so any worker runs them; signals such as
``before_task_publish`` are not sent. Repeating a submit after an error is safe.
"""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kombu.utils.uuid import uuid

from meetingtasks.broker import kombu_parts, outgoing
from meetingtasks.broker.records import NORMAL_PRIORITY, Placed

if TYPE_CHECKING:
    from kombu import Connection

AT_ONCE: Final = 500
LONGEST_REPR: Final = 1024
NO_CALLBACKS: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
ORIGIN: Final = f"{os.getpid()}@{socket.gethostname()}"

_encode = kombu_parts.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """What all tasks of one type have in common: its name, queue, priority (0 first … 9) and time limits in s."""

    task: str
    queue: str
    priority: int = NORMAL_PRIORITY
    time_limit_s: float | None = None
    soft_time_limit_s: float | None = None
    ignore_result: bool = False
    headers: Mapping[str, Any] = field(default_factory=dict)

    def message(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        eta: str | None = None,
        expires: str | None = None,
        **headers: Any,
    ) -> dict[str, Any]:
        """Return one task's message; ``eta`` and ``expires`` are ISO 8601, ``headers`` are the task's own."""
        task_id = task_id or uuid()
        body = _encode([args, kwargs or {}, NO_CALLBACKS])
        properties = {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": self.queue},
            "priority": self.priority,
            "body_encoding": "utf-8",
            "delivery_tag": task_id,
        }
        own = {
            "lang": "py",
            "task": self.task,
            "id": task_id,
            "eta": eta,
            "expires": expires,
            "retries": 0,
            "timelimit": [self.time_limit_s, self.soft_time_limit_s],
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "argsrepr": repr(args)[:LONGEST_REPR],
            "kwargsrepr": repr(kwargs or {})[:LONGEST_REPR],
            "origin": ORIGIN,
            "ignore_result": self.ignore_result,
            **self.headers,
            **headers,
        }
        return {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": own,
            "properties": properties,
        }


class Submitter:
    """Sends messages over one kombu connection that uses the lease transport."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def submit(self, messages: Iterable[dict[str, Any]]) -> list[Placed]:
        """Send messages in order; returns where each went. Broken connections are made anew and the batch repeated."""
        placed: list[Placed] = []
        messages = list(messages)
        for message in messages:
            outgoing.mark(message)
        for i in range(0, len(messages), AT_ONCE):
            placed += self._send(messages[i : i + AT_ONCE])
        return placed

    def _send(self, messages: Sequence[dict[str, Any]]) -> list[Placed]:
        by_queue: defaultdict[str, list[int]] = defaultdict(list)
        for number, message in enumerate(messages):
            by_queue[message["properties"]["delivery_info"]["routing_key"]].append(number)
        batches = {queue: [messages[number] for number in numbers] for queue, numbers in by_queue.items()}

        def put(channel: Any = None) -> Any:
            used: Any = channel or self._connection.default_channel
            return used.publisher.put_many(batches)

        answers = self._connection.autoretry(put)()[0]
        placed = [Placed.REFUSED] * len(messages)
        for queue, numbers in by_queue.items():
            for number, answer in zip(numbers, answers[queue], strict=True):
                placed[number] = answer
        return placed
