"""One task in the hands of this process: its lease, its message as Celery's tracer takes it, and its begun attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery.app.task import Context

from meetingtasks.broker import Leased
from meetingtasks.context import TaskContext
from meetingtasks.records import TaskRecord


@dataclass(frozen=True, eq=False, kw_only=True)
class Delivery:
    """A leased task whose attempt has begun; by ``context`` its code reports progress and learns when to stop."""

    leased: Leased
    request: Mapping[str, Any]
    context: TaskContext

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.context.task_id

    @property
    def record(self) -> TaskRecord:
        """The task's record as it stood when the attempt began."""
        return self.context.record

    @property
    def payload(self) -> dict[str, Any]:
        """The task's arguments."""
        payload: dict[str, Any] = self.request["kwargs"]
        return payload

    @property
    def limit_s(self) -> float | None:
        """Seconds that the attempt may run, None without a limit."""
        _, soft_s = self.request.get("timelimit") or (None, None)
        return soft_s

    @property
    def number(self) -> int:
        """The priority as the broker counts: 0 goes first."""
        return self.leased.stored.priority


def request_of(message: Mapping[str, Any], body: list[Any], leased: Leased, *, worker: str) -> dict[str, Any]:
    """Return a message as the request that Celery's tracer takes; ``body`` is its decoded (args, kwargs, embedded)."""
    headers, properties = message["headers"], message["properties"]
    args, kwargs, embedded = body
    return {
        **headers,
        "headers": Context(headers).headers or {},
        "args": args,
        "kwargs": kwargs,
        **{name: embedded.get(name) for name in ("callbacks", "errbacks", "chain", "chord")},
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "hostname": worker,
        "delivery_info": {
            "exchange": "",
            "routing_key": leased.queue,
            "priority": leased.stored.priority,
            "redelivered": leased.stored.deliveries > 0,
        },
    }
