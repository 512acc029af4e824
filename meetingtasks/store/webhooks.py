"""The log of deliveries to other systems: what was to be told to whom, and how each attempt went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from meetingtasks.store import keys
from meetingtasks.store.client import Client

KEPT_S: Final = 7 * 86_400
LISTED: Final = 10_000
_ATTEMPT: Final = "attempt:"


@dataclass(frozen=True, kw_only=True)
class DeliveryAttempt:
    """One try: when, how long it took, and the other side's answer or why there was none."""

    attempt: int
    at_ms: int
    took_ms: int
    status_code: int | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class DeliveryLog:
    """One delivery, which is a task of this id; ``task_id`` is the task whose end it tells, if it tells one."""

    id: str
    url: str
    event: str
    task_id: str
    created_ms: int
    refused: str  # why it was never tried
    attempts: tuple[DeliveryAttempt, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


class WebhookLog:
    """The deliveries of the last seven days on one server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def open(self, delivery_id: str, about: Mapping[str, str], *, now_ms: int) -> None:
        """Note what is to be delivered: url, event, task_id, and why it was refused; the first note stays."""
        pipe = self._client.pipeline(transaction=True)
        for name, value in {**about, "created_ms": str(now_ms)}.items():
            pipe.hsetnx(keys.webhook(delivery_id), name, value)
        pipe.expire(keys.webhook(delivery_id), KEPT_S)
        pipe.zadd(keys.WEBHOOKS, {delivery_id: now_ms}, nx=True)
        pipe.zremrangebyrank(keys.WEBHOOKS, 0, -1 - LISTED)
        pipe.zremrangebyscore(keys.WEBHOOKS, "-inf", now_ms - KEPT_S * 1000)
        pipe.execute()

    def note(self, delivery_id: str, attempt: DeliveryAttempt) -> None:
        """Keep how an attempt went."""
        field = f"{_ATTEMPT}{attempt.attempt}"
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(keys.webhook(delivery_id), field, json.dumps(asdict(attempt), ensure_ascii=False))
        pipe.expire(keys.webhook(delivery_id), KEPT_S)
        pipe.execute()

    def get(self, delivery_id: str) -> DeliveryLog | None:
        """Read one delivery, or None."""
        return _read(delivery_id, self._client.hgetall(keys.webhook(delivery_id)))

    def recent(self, limit: int = 50) -> list[DeliveryLog]:
        """Return the newest deliveries."""
        ids = self._client.zrange(keys.WEBHOOKS, 0, limit - 1, desc=True)
        pipe = self._client.pipeline(transaction=False)
        for delivery_id in ids:
            pipe.hgetall(keys.webhook(delivery_id))
        found = (_read(delivery_id, fields) for delivery_id, fields in zip(ids, pipe.execute(), strict=True))
        return [delivery for delivery in found if delivery is not None]


def _read(delivery_id: str, fields: Mapping[str, str]) -> DeliveryLog | None:
    if "url" not in fields:
        return None
    attempts = [DeliveryAttempt(**json.loads(text)) for name, text in fields.items() if name.startswith(_ATTEMPT)]
    return DeliveryLog(
        id=delivery_id,
        url=fields["url"],
        event=fields.get("event", ""),
        task_id=fields.get("task_id", ""),
        created_ms=int(fields.get("created_ms", "0")),
        refused=fields.get("refused", ""),
        attempts=tuple(sorted(attempts, key=lambda attempt: attempt.attempt)),
    )
