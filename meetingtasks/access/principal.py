"""Who asks: a name, the user it stands for, and its scopes. The one place that decides whose tasks it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from meetingtasks.access.scopes import SCOPES, Scope
from meetingtasks.errors import Forbidden


class Owned(Protocol):
    """Something that belongs to a user."""

    @property
    def user_id(self) -> int | str | None:
        """Whose it is; None: nobody's in particular."""
        ...


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller. ``user_id`` None is a service that acts for all users."""

    name: str
    scopes: frozenset[Scope]
    user_id: str | None = None

    def check(self, scope: Scope) -> None:
        """Forbidden unless the caller has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"this needs the scope {scope}", scope=scope.value)

    def sees(self, what: Owned) -> bool:
        """Tell whether something is the caller's own, or the caller acts for all users."""
        return self.user_id is None or (what.user_id is not None and str(what.user_id) == self.user_id)


#: whoever reaches an API that was started without keys on this machine's loopback address
LOCAL_ADMIN: Final = Principal(name="local", scopes=frozenset(SCOPES))
