"""Adopts messages that stock producers (or anyone with a Redis client) pushed on a queue's list.

They come in as raw bytes. What Celery could read becomes an ordinary message of the queue, under a lease like all
others; what it could not goes to the quarantine. A push of a foreign program is only as safe as its own way of pushing:
an idle worker pops it before it is stored anew.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from meetingtasks.broker import envelope, outgoing
from meetingtasks.broker.quarantine import Quarantine
from meetingtasks.broker.records import Placed

if TYPE_CHECKING:
    from meetingtasks.broker.channel import LeaseChannelMixin
    from meetingtasks.broker.client import Pipeline
    from meetingtasks.broker.keys import QueueKeys

logger = logging.getLogger(__name__)

AT_ONCE: Final = 100
ALONE_MS: Final = 5000  # one worker empties an inbox at a time; its right to ends by itself


def adopt(channel: LeaseChannelMixin, keys: QueueKeys) -> None:
    """Empty a queue's inbox, unless another worker is at it."""
    client = channel.raw
    found = client.lrange(keys.inbox, 0, AT_ONCE - 1)
    if not found or not client.set(keys.adopting, channel.consuming.name, px=ALONE_MS, nx=True):
        return
    try:
        for raw in found:
            _adopt_one(channel, keys, raw)
    finally:
        client.delete(keys.adopting)


def _adopt_one(channel: LeaseChannelMixin, keys: QueueKeys, raw: bytes) -> None:
    try:
        message = envelope.read(raw)
        envelope.check_task(message, channel.options.accept_content_types)
        prepared = outgoing.prepare(message, channel.options.cap_of)
    except envelope.Malformed as malformed:
        logger.warning(
            "Foreign message quarantined",
            extra={"action": "quarantined", "queue": keys.queue, "reason": str(malformed)},
        )
        with channel.raw.pipeline(transaction=True) as pipe:
            Quarantine(channel.raw, prefix=keys.prefix).add(pipe, raw, queue=keys.queue, reason=str(malformed))
            _leave_inbox(pipe, keys, raw)
        return
    with channel.raw.pipeline(transaction=True) as pipe:
        if channel.options.companion is not None:
            channel.options.companion.on_enqueue(pipe, message)
            prepared = outgoing.prepare(message, channel.options.cap_of)
        call = channel.publisher.call(keys.queue, [prepared])
        call.put_on(pipe)
        answers = _leave_inbox(pipe, keys, raw)
    if call.read(answers[-2]) == [Placed.REFUSED]:
        logger.info("Foreign message refused: it is already there", extra={"action": "refused", "queue": keys.queue})


def _leave_inbox(pipe: Pipeline, keys: QueueKeys, raw: bytes) -> list[object]:
    pipe.lrem(keys.inbox, 1, raw)
    return list(pipe.execute())
