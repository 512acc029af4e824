"""Turns a kombu message into what a queue stores: its id, delay, lifetime, meeting key and JSON.

Headers the transport knows: ``eta`` (the broker holds the message until then and clears the header, so that no worker
holds it in memory), ``expires``, ``mt_key`` (meeting key), ``mt_weight`` (share of its meeting, 1 = one). The property
``mt_mark`` is set here once per submission, so that a publish repeated after a lost reply is recognised.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from meetingtasks.broker import kombu_parts
from meetingtasks.broker.envelope import moment
from meetingtasks.broker.queue import cost_of
from meetingtasks.broker.records import NORMAL_PRIORITY, Outgoing, cap_text
from meetingtasks.clock import SYSTEM

LOWEST_PRIORITY: Final = 10
LONGEST_KEY: Final = 200

#: message headers -> name of its cap and how many may be in work where nothing else is set; None: no cap
CapOf = Callable[[Mapping[str, Any]], tuple[str, int | None] | None]

_encode = kombu_parts.JSONEncoder(separators=(",", ":")).encode


def is_task(message: Mapping[str, Any]) -> bool:
    """Tell whether a message is a Celery task; all else (replies, results) stays on stock lists."""
    headers = message.get("headers")
    return isinstance(headers, Mapping) and "task" in headers and "id" in headers


def mark(message: dict[str, Any]) -> None:
    """Name this submission, once; a publish that kombu repeats shares the properties and so the name."""
    message["properties"].setdefault("mt_mark", os.urandom(8).hex())


def message_id(message: Mapping[str, Any]) -> str:
    """Return the id under which a message is live at most once: a task's id with the number of its retries."""
    headers = message["headers"]
    if isinstance(headers.get("id"), str):
        return f"{headers['id']}:{headers.get('retries') or 0}"
    return str(message["properties"]["delivery_tag"])


def prepare(message: dict[str, Any], cap_of: CapOf | None = None) -> Outgoing:
    """Return what to store; the message itself is left as it is. Raises `ValueError` for a time that is none.

    ``cap_of`` tells from a message's headers under which cap it runs.
    """
    headers = message["headers"]
    now_ms = SYSTEM.now_ms()
    cap = cap_of(headers) if cap_of else None
    eta, expires = moment(headers.get("eta"), "eta"), moment(headers.get("expires"), "expires")
    if eta is not None:
        message = {**message, "headers": {**headers, "eta": None}}
    return Outgoing(
        id=message_id(message),
        payload=_encode(message).encode(),
        priority=priority_of(message),
        delay_ms=max(0, _ms(eta) - now_ms) if eta else 0,
        lifetime_ms=max(1, _ms(expires) - now_ms) if expires else 0,
        cost=cost_of(_weight(headers.get("mt_weight"))),
        key=quote(str(headers.get("mt_key") or ""), safe="")[:LONGEST_KEY],
        mark=str(message["properties"].get("mt_mark") or ""),
        cap=cap_text(*cap) if cap else "",
    )


def priority_of(message: Mapping[str, Any]) -> int:
    """Return a message's priority from 0, the most important, to 9; normal when it has none that is a number."""
    try:
        return max(0, min(LOWEST_PRIORITY, int(message["properties"]["priority"])))
    except (KeyError, TypeError, ValueError, OverflowError):
        return NORMAL_PRIORITY


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def _weight(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 1.0
