"""A server that Redis Sentinel looks after: its address as one URL, and clients that always find the present master.

``sentinel://user:password@host:26379;sentinel://host2:26379/0?master_name=mymaster``: the sentinels stand between
semicolons; user, password, database and the master's name may stand at any of them and hold for all. User and password
are the Redis server's; the sentinels themselves are asked without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import redis
from redis.sentinel import Sentinel

from meetingtasks.errors import SettingsError

SCHEME: Final = "sentinel://"
DEFAULT_PORT: Final = 26379
DEFAULT_MASTER: Final = "mymaster"
#: a sentinel that is gone must not hold up the question to the next one
ASK_WITHIN_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class SentinelAddress:
    """Where the sentinels are, and which of their masters is meant."""

    hosts: tuple[tuple[str, int], ...]
    database: int = 0
    username: str | None = None
    password: str | None = None
    master_name: str = DEFAULT_MASTER

    @classmethod
    def parse(cls, url: str) -> SentinelAddress:
        """Read a URL; SettingsError says what is wrong with it."""
        hosts, about = [], dict[str, Any]()
        for chunk in url.split(";"):
            parts = urlsplit(chunk)
            if parts.scheme != "sentinel" or not parts.hostname:
                raise SettingsError(f"broker_url: write sentinels as {SCHEME}host:{DEFAULT_PORT};{SCHEME}host2:…")
            try:
                hosts.append((parts.hostname, parts.port or DEFAULT_PORT))
                about |= {"database": int(parts.path.strip("/"))} if parts.path.strip("/") else {}
            except ValueError as problem:
                raise SettingsError(f"broker_url: {problem}") from None
            query = dict(parse_qsl(parts.query))
            found = {"username": parts.username, "password": parts.password}
            about |= {name: unquote(text) for name, text in found.items() if text}
            about |= {"master_name": query.pop("master_name")} if "master_name" in query else {}
            if query:
                raise SettingsError(f"broker_url: {SCHEME} knows master_name only, not {', '.join(query)}")
        return cls(hosts=tuple(hosts), **about)

    def kombu_url(self) -> str:
        """Return the form for kombu, which reads one part at a time; the master's name is a transport option there."""
        user, word = quote(self.username or "", safe=""), quote(self.password or "", safe="")
        owner = f"{user}:{word}@" if user or word else ""
        named = ((f"[{host}]" if ":" in host else host, port) for host, port in self.hosts)
        return ";".join(f"{SCHEME}{owner}{host}:{port}/{self.database}" for host, port in named)

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of the present master, with redis-py's connection options."""
        asking = {"socket_timeout": ASK_WITHIN_S, "socket_connect_timeout": ASK_WITHIN_S}
        sentinels: Any = Sentinel(self.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call] # it has no hints
        own = {"db": self.database, "username": self.username, "password": self.password}
        client: redis.Redis = sentinels.master_for(self.master_name, **own, **options)
        return client
