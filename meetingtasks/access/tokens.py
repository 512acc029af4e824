"""Bearer tokens (JWT) of a platform's own login service: verified here, never issued."""

from __future__ import annotations

from typing import Final

import jwt

from meetingtasks.access.principal import Principal
from meetingtasks.access.scopes import Scope
from meetingtasks.errors import Unauthorized

#: seconds by which the issuer's clock may differ from ours
LEEWAY_S: Final = 10
_REQUIRED: Final = ["exp", "sub", "aud"]


class TokenVerifier:
    """Checks tokens by one key and one algorithm, both from the settings; a token cannot choose its own."""

    def __init__(self, key: str, *, algorithm: str, audience: str) -> None:
        self._key = key
        self._algorithm = algorithm
        self._audience = audience

    def principal(self, token: str) -> Principal:
        """Return user ``sub`` with the scopes of ``scope``; Unauthorized when the token is no good."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"the token is not accepted: {error}") from error
        named = str(claims.get("scope", "")).split()
        scopes = frozenset(Scope(name) for name in named if name in set(Scope))
        return Principal(name=f"user:{claims['sub']}", scopes=scopes, user_id=str(claims["sub"]))
