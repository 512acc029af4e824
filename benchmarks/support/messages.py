"""Messages as Celery publishes them, made without Celery so that a hundred thousand of them take seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Message = dict[str, Any]
NORMAL = 6


def message(
    task: str,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    priority: int = NORMAL,
    key: str = "",
    due_at: float | None = None,
) -> Message:
    """Return one task's message; ``due_at`` is a time in s since 1970, ``key`` the meeting it belongs to.

    A task without a dot in its name is one of the benchmark's own, which keep no results.
    """
    task_id = str(uuid4())
    eta = None if due_at is None else datetime.fromtimestamp(due_at, UTC).isoformat()
    headers = {
        "lang": "py",
        "task": task if "." in task else f"bench.{task}",
        "id": task_id,
        "retries": 0,
        "timelimit": [None, None],
        "eta": eta,
        "expires": None,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "argsrepr": repr(args)[:1024],
        "kwargsrepr": repr(kwargs or {})[:1024],
        "origin": "bench",
        "ignore_result": "." not in task,
    }
    if key:
        headers["mt_key"] = key
    callbacks = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {
        "body": json.dumps([args, kwargs or {}, callbacks]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": priority,
            "body_encoding": "utf-8",
            "delivery_tag": task_id,
        },
    }


def copies(
    task: str, number: int, *args: Any, kwargs: Mapping[str, Any] | None = None, keys: int = 0
) -> Iterator[tuple[str, bytes, str]]:
    """Give id, encoded message and meeting of equal tasks, ten times as fast as one `message` after the other."""
    made = message(task, *args, kwargs=kwargs)
    template, own = json.dumps(made).encode(), made["headers"]["id"].encode()
    for i in range(number):
        task_id = f"{own.decode()}-{i}"
        yield task_id, template.replace(own, task_id.encode()), f"m{i % keys}" if keys else ""


def many(task: str, names: Iterable[str], *args: Any, **options: Any) -> list[Message]:
    """Return one message per name."""
    return [message(task, name, *args, **options) for name in names]
