"""Transactions that replicas confirm: what was accepted survives the loss of the server that accepted it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from meetingtasks.broker.keys import PREFIX

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client, Pipeline

#: String: written by every such transaction, so that one that is repeated has something of its own to wait for
MARK: Final = PREFIX + "confirmed"


class NotConfirmed(RedisConnectionError):
    """Too few replicas have it yet: it may be kept or lost, so it is to be repeated, which does nothing twice."""


def transaction(
    client: Client, fill: Callable[[Pipeline], object], *, replicas: int, within_s: float, prefix: str = ""
) -> list[Any]:
    """Run what ``fill`` puts on a pipeline as one transaction and return its replies.

    Raises `NotConfirmed` when fewer than ``replicas`` replicas have it within ``within_s``. The question goes over the
    connection that wrote: on another one it might be answered by a server that never saw the transaction.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("MULTI")
        pipe.set(prefix + MARK, 1)
        fill(pipe)
        pipe.execute_command("EXEC")
        pipe.execute_command("WAIT", replicas, round(within_s * 1000))
        *_, replies, confirmed = pipe.execute()
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    if int(confirmed) < replicas:
        raise NotConfirmed(f"{confirmed} of {replicas} replicas have confirmed it within {within_s:g} s")
    return list(replies[1:])
