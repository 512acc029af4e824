"""The connection to the store: one bounded pool per process and server."""

from __future__ import annotations

import os
import threading
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from meetingtasks import failures
from meetingtasks.states import ErrorClass
from meetingtasks.store import sentinel

# redis-py's types cannot say that decode_responses=True makes every reply text, so they would only add casts
Client: TypeAlias = Any

failures.register(redis.ConnectionError, ErrorClass.NETWORK)
failures.register(redis.TimeoutError, ErrorClass.NETWORK)

MAX_CONNECTIONS = 50
_clients: dict[tuple[int, str, bool], Client] = {}
_lock = threading.Lock()


def connect(url: str, *, as_bytes: bool = False) -> Client:
    """Return this process's client for a server; safe after a fork, shared by all threads.

    Accepts the broker's URL forms: ``redis://``, ``rediss://``, ``redis+socket:///path?virtual_host=0`` and
    ``sentinel://…;sentinel://…`` (see ``sentinel``). Replies are text; ``as_bytes`` leaves them as they come, which the
    broker's queues need.
    """
    key = (os.getpid(), url, as_bytes)
    with _lock:
        if key not in _clients:
            _clients[key] = open_client(
                url,
                decode_responses=not as_bytes,
                # half a character in a file's name must not keep a task from ending
                encoding_errors="backslashreplace",
                max_connections=MAX_CONNECTIONS,
                health_check_interval=30,
                # Scripts are idempotent by token, so a command whose reply was lost may be sent again.
                retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 4),
            )
        return _clients[key]


def open_client(url: str, **options: Any) -> Client:
    """Return a client with a pool of its own for any of the broker's URL forms; ``options`` are redis-py's."""
    options = {"socket_connect_timeout": 5, "socket_timeout": 10, **options}
    if url.startswith(sentinel.SCHEME):
        return sentinel.SentinelAddress.parse(url).client(socket_keepalive=True, **options)
    address = to_redis_py(url)
    # a unix socket has no keep-alive, and redis-py refuses the word for it
    network = {} if address.startswith("unix://") else {"socket_keepalive": True}
    return redis.Redis.from_url(address, **network, **options)


def to_redis_py(url: str) -> str:
    """Turn kombu's ``redis+socket://`` form into the ``unix://`` form of redis-py; others stay as they are."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis+socket", "socket"):
        return url
    query = dict(parse_qsl(parts.query))
    database = query.pop("virtual_host", "0").strip("/") or "0"
    return f"unix://{parts.path}?{urlencode({**query, 'db': database})}"


class TextReplies:
    """A client whose replies are bytes, as the store's scripts take one: with text in them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def evalsha(self, *command: Any) -> Any:
        """Run a script that the server knows."""
        return _text(self._client.evalsha(*command))

    def eval(self, *command: Any) -> Any:
        """Run a script by its source."""
        return _text(self._client.eval(*command))


def _text(reply: Any) -> Any:
    if isinstance(reply, list):
        return [_text(part) for part in reply]
    return reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else reply
