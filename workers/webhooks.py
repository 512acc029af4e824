"""Delivers an event to another system: checks the address again, signs, posts, and keeps how it went."""

from __future__ import annotations

import json
from typing import Final

from meetingtasks import urls
from meetingtasks.callbacks import signature
from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError, MeetingTasksError, NetworkError
from meetingtasks.payloads.meeting import WebhookDeliveryPayload, WebhookDeliveryResult
from meetingtasks.settings import Settings, current
from meetingtasks.store.client import connect
from meetingtasks.store.webhooks import DeliveryAttempt, WebhookLog
from workers.engines import webhook

#: the longest that a receiver's Retry-After is heeded
LONGEST_WISH_S: Final = 3600.0
MOMENTARY: Final = frozenset({408, 425, 429})
DEFAULT_SECRET: Final = "default"  # noqa: S105 - its name


def deliver(payload: WebhookDeliveryPayload, ctx: TaskContext) -> WebhookDeliveryResult:
    """Post the event once; NetworkError when it is worth another try, BusinessError when it is not."""
    settings = current()
    webhooks = WebhookLog(connect(settings.effective_store_url))
    began_ms = SYSTEM.now_ms()
    task_id = ctx.record.parent_task_id or ""
    webhooks.open(ctx.task_id, {"url": payload.url, "event": payload.event, "task_id": task_id}, now_ms=began_ms)
    status, error = None, None
    try:
        answer = _post(payload, ctx, settings)
        status = answer.status
        _judge(answer)
    except MeetingTasksError as problem:
        error = problem
        raise
    finally:
        took_ms = SYSTEM.now_ms() - began_ms
        why = error.message[:300] if error else ""
        note = DeliveryAttempt(attempt=ctx.attempt, at_ms=began_ms, took_ms=took_ms, status_code=status, error=why)
        webhooks.note(ctx.task_id, note)
    return WebhookDeliveryResult(status_code=status, attempts=ctx.attempt)


def _post(payload: WebhookDeliveryPayload, ctx: TaskContext, settings: Settings) -> webhook.Answer:
    name = payload.secret_ref or DEFAULT_SECRET
    secret = settings.webhook_secrets.get(name)
    if secret is None:
        raise BusinessError(f"there is no secret {name!r} in MT_WEBHOOK_SECRETS", code="secret_unknown")
    policy = urls.UrlPolicy.of(settings)
    destination = urls.check(payload.url, policy)
    body = json.dumps(payload.body, ensure_ascii=False, separators=(",", ":")).encode()
    signed = signature.sign(
        secret.get_secret_value(), body, delivery_id=payload.event_id or ctx.task_id, event=payload.event
    )
    headers = {"Content-Type": "application/json", "User-Agent": "meetingtasks", **signed}
    try:
        place = webhook.Place(
            address=urls.resolve(destination, policy),
            host=destination.host,
            port=destination.port,
            target=destination.target,
            has_tls=destination.has_tls,
        )
        return webhook.post(place, body, headers)
    except webhook.PostFailed as error:
        raise NetworkError(error.message, code=error.code) from error


def _judge(answer: webhook.Answer) -> None:
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own limits of success
        return
    if answer.status >= 500 or answer.status in MOMENTARY:  # noqa: PLR2004 - as above
        wish_s = None if answer.retry_after_s is None else min(answer.retry_after_s, LONGEST_WISH_S)
        raise NetworkError(f"the receiver answered {answer.status}", code="webhook_refused", retry_after_s=wish_s)
    what = "redirects, which are not followed" if 300 <= answer.status < 400 else "refused it"  # noqa: PLR2004 - as above
    raise BusinessError(f"the receiver {what}: {answer.status}", code="webhook_refused", status=answer.status)
