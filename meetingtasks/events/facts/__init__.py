"""The facts: every type of event that the platform knows, by name. Other types are allowed and stay plain events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, get_args

from meetingtasks.events.facts import ai, media, meeting, signaling, system, task, user
from meetingtasks.events.facts.base import Channel, Fact, Id

__all__ = ["ALIASES", "CHANNELS", "FACTS", "Channel", "Fact", "Id"]

CHANNELS: Final[tuple[str, ...]] = get_args(Channel)
_MODULES: Final = (meeting, media, ai, user, signaling, system, task)


def _facts() -> Iterator[type[Fact]]:
    for module in _MODULES:
        for member in vars(module).values():
            if isinstance(member, type) and issubclass(member, Fact) and hasattr(member, "type"):
                yield member


#: a type's name -> its class
FACTS: Final[dict[str, type[Fact]]] = {fact.type: fact for fact in _facts()}
#: other accepted spellings -> the type's name
ALIASES: Final[dict[str, str]] = {alias: fact.type for fact in FACTS.values() for alias in fact.aliases}
