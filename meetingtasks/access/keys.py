"""API keys: made once, shown once, kept only as a hash, revoked at once for all processes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meetingtasks.access.principal import Principal
from meetingtasks.access.scopes import Scope
from meetingtasks.clock import SYSTEM
from meetingtasks.errors import BusinessError, Unauthorized
from meetingtasks.store.api_keys import ApiKeyStore, StoredKey

_KEY: Final = re.compile(r"mt_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.@-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """What may be shown of a key."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    user_id: str | None
    created_ms: int


class ApiKeys:
    """The keys of one fleet."""

    def __init__(self, store: ApiKeyStore) -> None:
        self._store = store

    def create(self, name: str, scopes: Iterable[Scope], *, user_id: str | None = None) -> tuple[ApiKey, str]:
        """Make a key; returns it and its text, which is never shown again. BusinessError for a bad name or no scope.

        ``user_id`` binds it to one user, whose tasks are then all it sees; None: a service that acts for all.
        """
        wanted = tuple(sorted(set(scopes)))
        if not _NAME.fullmatch(name):
            raise BusinessError("a key's name has 1-100 letters, digits, spaces and _.@-", code="invalid_payload")
        if not wanted:
            raise BusinessError("a key needs at least one scope", code="invalid_payload")
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = ApiKey(id=key_id, name=name, scopes=wanted, user_id=user_id, created_ms=SYSTEM.now_ms())
        self._store.save(
            StoredKey(
                id=key.id,
                name=key.name,
                scopes=tuple(scope.value for scope in wanted),
                user_id=user_id,
                created_ms=key.created_ms,
                digest=_digest(secret),
            )
        )
        return key, f"mt_{key_id}_{secret}"

    def all(self) -> list[ApiKey]:
        """Return every key, oldest first."""
        return sorted((_shown(stored) for stored in self._store.all()), key=lambda key: key.created_ms)

    def any(self) -> bool:
        """Tell whether there is a key."""
        return self._store.count() > 0

    def revoke(self, key_id: str) -> bool:
        """Drop a key; False when there was none. No process accepts it any more."""
        return self._store.remove(key_id)

    def principal(self, text: str) -> Principal:
        """Return who shows this key; Unauthorized when there is no such key.

        The secret has 256 random bits, so one round of SHA-256 is enough; it is compared in constant time.
        """
        parts = _KEY.fullmatch(text)
        stored = self._store.get(parts["id"]) if parts else None
        # an unknown id costs the same comparison as a wrong secret
        kept = stored.digest if stored else _digest("")
        if not hmac.compare_digest(kept, _digest(parts["secret"] if parts else "?")) or stored is None:
            raise Unauthorized("the API key is not known")
        key = _shown(stored)
        return Principal(name=f"key:{key.name}", scopes=frozenset(key.scopes), user_id=key.user_id)


def _shown(stored: StoredKey) -> ApiKey:
    known = [Scope(scope) for scope in stored.scopes if scope in set(Scope)]
    return ApiKey(
        id=stored.id, name=stored.name, scopes=tuple(known), user_id=stored.user_id, created_ms=stored.created_ms
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
