"""The API keys on one server: what is known of each, and the hash of its secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from meetingtasks.store import keys
from meetingtasks.store.client import Client


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """One key as it is kept."""

    id: str
    name: str
    scopes: tuple[str, ...]
    user_id: str | None
    created_ms: int
    digest: str  # SHA-256 of the secret, in hex


class ApiKeyStore:
    """One hash with all keys: they are few, and one command changes or reads one."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def save(self, key: StoredKey) -> None:
        """Keep a key."""
        self._client.hset(keys.API_KEYS, key.id, json.dumps(asdict(key)))

    def get(self, key_id: str) -> StoredKey | None:
        """Read a key, or None."""
        text = self._client.hget(keys.API_KEYS, key_id)
        return None if text is None else _read(text)

    def all(self) -> list[StoredKey]:
        """Read all keys."""
        return [_read(text) for text in self._client.hvals(keys.API_KEYS)]

    def count(self) -> int:
        """Return how many there are."""
        return int(self._client.hlen(keys.API_KEYS))

    def remove(self, key_id: str) -> bool:
        """Drop a key; False when there was none."""
        return bool(self._client.hdel(keys.API_KEYS, key_id))


def _read(text: str) -> StoredKey:
    values = json.loads(text)
    return StoredKey(**{**values, "scopes": tuple(values["scopes"])})
