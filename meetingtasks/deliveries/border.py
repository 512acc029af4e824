"""The border to the broker: its client, and its failures as the platform's own error."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from meetingtasks.broker.connections import teach_on_connect
from meetingtasks.errors import BrokerUnavailable
from meetingtasks.store.client import open_client

#: what a broker that does not answer raises
BROKER_ERRORS: Final = (RedisError, OperationalError, ConnectionError)


@functools.cache
def connect(url: str) -> redis.Redis:
    """Return this process's client for a server, as the broker's queues need it: replies stay bytes."""
    client: redis.Redis = open_client(
        url,
        redis_connect_func=teach_on_connect,
        # every script that is sent here may be sent again: leases have owners, ends have tokens
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3),
    )
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Turn a connection's failure into BrokerUnavailable."""
    try:
        yield
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"the broker does not answer: {error}") from error
