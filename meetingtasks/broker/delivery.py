"""The way of a leased message from the fetch to Celery, or past it: into the dead letters, the quarantine, or back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from meetingtasks.broker import envelope, scripts
from meetingtasks.broker.keys import QuarantineKeys
from meetingtasks.broker.lease import Lease
from meetingtasks.broker.message import DECODED
from meetingtasks.broker.quarantine import new_id, note
from meetingtasks.broker.records import Leased, Stored, Verdict
from meetingtasks.clock import SYSTEM

if TYPE_CHECKING:
    from meetingtasks.broker.channel import LeaseChannelMixin
    from meetingtasks.broker.client import Pipeline
    from meetingtasks.broker.keys import QueueKeys

logger = logging.getLogger(__name__)

QUEUE: Final = "mt_queue"  # property of a delivered message: where it was leased
DEFER_S: Final = 5.0  # how long a task of unknown type is put back each time


def accepted(channel: LeaseChannelMixin, messages: Sequence[Leased]) -> list[dict[str, Any]]:
    """Return what may run as kombu's raw messages, now kept by the channel's keeper; the rest is dealt with."""
    leases, runnable = [], []
    for message in messages:
        raw = _judge(channel, message)
        if raw is not None:
            leases.append(_lease(channel, message, raw))
            runnable.append(raw)
    channel.keeper.hold(leases)
    return runnable


def bury(channel: LeaseChannelMixin, keys: QueueKeys, message_id: str, owner: str, reason: str) -> None:
    """Make a leased message a dead letter, together with the companion's commands."""
    call = scripts.reject(keys, [(message_id, owner)], reason=reason, keep=channel.options.lease.keep_dead)
    companion = channel.options.companion
    if companion is None:
        call.run(channel.raw)
        return
    message = _stored_message(channel, keys, message_id)
    _together(channel, call, lambda pipe: companion.on_dead(pipe, message, reason))


def _judge(channel: LeaseChannelMixin, message: Leased) -> dict[str, Any] | None:
    keys = channel.keys_of(message.queue)
    if message.verdict is Verdict.EXHAUSTED:
        bury(channel, keys, message.id, message.owner, "worker_lost")
        return None
    if message.verdict is Verdict.EXPIRED:
        _expire(channel, keys, message)
        return None
    try:
        raw = envelope.read(message.payload)
        body = envelope.check_task(raw, channel.options.accept_content_types)
    except envelope.Malformed as malformed:
        _quarantine(channel, keys, message, str(malformed))
        return None
    if _is_unknown(channel, raw["headers"]["task"]):
        _defer(channel, keys, message)
        return None
    properties = raw["properties"]
    properties["delivery_tag"] = f"{message.owner} {message.id}"
    properties[QUEUE] = message.queue
    if message.stored.deliveries:
        properties["delivery_info"]["redelivered"] = True
    raw[DECODED] = body
    return raw


def _lease(channel: LeaseChannelMixin, message: Leased, raw: Mapping[str, Any]) -> Lease:
    options, headers = channel.options, raw["headers"]
    if options.time_limit_of is not None:
        limit_s = options.time_limit_of(headers)
    else:
        limit_s = (headers.get("timelimit") or [None])[0]
    until_s = SYSTEM.monotonic_s() + limit_s + options.lease_grace_s if limit_s else float("inf")
    properties = raw["properties"]
    return Lease(
        tag=properties["delivery_tag"],
        keys=channel.keys_of(message.queue),
        id=message.id,
        owner=message.owner,
        headers=headers,
        mark=str(properties.get("mt_mark") or ""),
        renew_until_s=until_s,
        prolonged=None if options.end_of is None else lambda: _prolonged(channel, headers),
    )


def _prolonged(channel: LeaseChannelMixin, headers: Mapping[str, Any]) -> float | None:
    options = channel.options
    end_s = None if options.end_of is None else options.end_of(headers)
    return None if end_s is None else end_s + options.lease_grace_s


def _is_unknown(channel: LeaseChannelMixin, name: str) -> bool:
    known_type = channel.options.known_type
    return known_type is not None and not known_type(name)


def _defer(channel: LeaseChannelMixin, keys: QueueKeys, message: Leased) -> None:
    # another worker may know it: during a rolling upgrade old and new ones share a queue
    if (message.stored.deferrals + 1) * DEFER_S > channel.options.unknown_type_s:
        bury(channel, keys, message.id, message.owner, "unknown_type")
        return
    logger.warning("Task type unknown here; put back", extra={"action": "deferred", "message_id": message.id})
    pairs, deaths = [(message.id, message.owner)], channel.options.lease.max_deliveries
    call = scripts.release(keys, pairs, counted=False, max_deliveries=deaths, delay_ms=round(DEFER_S * 1000))
    call.run(channel.raw)


def _expire(channel: LeaseChannelMixin, keys: QueueKeys, message: Leased) -> None:
    call = scripts.expire(keys, [(message.id, message.owner)])
    companion = channel.options.companion
    if companion is None:
        call.run(channel.raw)
        return
    stored = _as_object(message.payload)
    _together(channel, call, lambda pipe: companion.on_expired(pipe, stored))


def _quarantine(channel: LeaseChannelMixin, keys: QueueKeys, message: Leased, reason: str) -> None:
    logger.warning("Message quarantined", extra={"action": "quarantined", "queue": keys.queue, "reason": reason})
    call = scripts.quarantine(
        keys,
        QuarantineKeys(keys.prefix),
        message_id=message.id,
        owner=message.owner,
        entry_id=new_id(),
        note=note(keys.queue, reason),
    )
    companion, stored = channel.options.companion, _as_object(message.payload)
    if companion is None or not stored:
        call.run(channel.raw)
        return
    _together(channel, call, lambda pipe: companion.on_dead(pipe, stored, f"malformed: {reason}"))


def _together(channel: LeaseChannelMixin, call: scripts.Call[Any], add: Callable[[Pipeline], None]) -> None:
    with channel.raw.pipeline(transaction=True) as pipe:
        call.put_on(pipe)
        add(pipe)
        pipe.execute()


def _stored_message(channel: LeaseChannelMixin, keys: QueueKeys, message_id: str) -> dict[str, Any]:
    value = channel.raw.hget(keys.messages, message_id)
    return _as_object(Stored.read(message_id, value).payload) if value else {}


def _as_object(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
