"""The message of a dead letter's next generation, made from the task's record and what its last message carried."""

from __future__ import annotations

import json
from typing import Any

from meetingtasks.broker.submit import TaskTemplate
from meetingtasks.routing import broker_number
from meetingtasks.store.requeueing import Going
from meetingtasks.submission import KEY_HEADER, limits
from meetingtasks.task_types import CATALOGUE

#: headers of the last message that the next one has too; its chord is not one of them: the join is over by now
_HEADERS = ("group", "root_id", "parent_id", "mt_weight")
_CALLBACKS = ("callbacks", "errbacks", "chain")


def message_of(going: Going, *, broker_url: str) -> dict[str, Any]:
    """Return a kombu message that runs the task again, with the callbacks and the chain of its last message."""
    record, carried = going.letter.record, going.letter.carried
    hard_s, soft_s = time_limits(going)
    template = TaskTemplate(
        task=record.name,
        queue=going.queue,
        priority=broker_number(record.priority, broker_url),
        time_limit_s=hard_s,
        soft_time_limit_s=soft_s,
    )
    headers: dict[str, Any] = {
        "retries": going.letter.number,
        "argsrepr": "()",
        "kwargsrepr": f"{{{', '.join(sorted(record.payload))}}}"[:200],  # names, never values
        KEY_HEADER: key_of(going),
        **{name: carried[name] for name in _HEADERS if name in carried},
    }
    message = template.message(task_id=record.id, **headers)
    callbacks = {name: carried.get(name) for name in _CALLBACKS}
    body = [carried.get("args", []), record.payload, {**callbacks, "chord": None}]
    return {**message, "body": json.dumps(body, ensure_ascii=False, separators=(",", ":"))}


def time_limits(going: Going) -> tuple[float | None, float | None]:
    """Return the hard and the soft limit in seconds: those of the last message, else what a new submission gets."""
    carried = going.letter.carried.get("timelimit")
    if carried:
        hard_s, soft_s = carried
        return hard_s, soft_s
    record = going.letter.record
    soft_s, hard_s = limits(CATALOGUE.find(record.type), record.timeout_s)
    return hard_s, soft_s


def key_of(going: Going) -> str:
    """Return the meeting whose turn the message waits for."""
    meeting_id = going.letter.record.meeting_id
    return str(going.letter.carried.get(KEY_HEADER) or ("" if meeting_id is None else meeting_id))
