"""Which dead letters are meant: a filter that can be kept with a redrive and shown to people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from meetingtasks.store.dead_letters import DeadLetterStore, Position, Stretch


@dataclass(frozen=True, kw_only=True)
class Where:
    """Conditions that a dead letter must fulfil, all that are given; none: every letter. Times are of its death."""

    type: str | None = None
    queue: str | None = None
    error_class: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    meeting_id: int | str | None = None
    since_ms: int | None = None  # inclusive
    until_ms: int | None = None  # inclusive

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Tell whether a letter with these stored facts is meant; times are left to the stretch."""
        wanted = {
            "type": self.type,
            "queue": self.queue,
            "error_class": self.error_class,
            "error_code": self.code,
            "fingerprint": self.fingerprint,
        }
        if any(value is not None and facts[name] != value for name, value in wanted.items()):
            return False
        # a meeting's id may be a number or a name; people and files write both as text
        meeting = json.loads(facts["meeting_id"] or "null")
        return self.meeting_id is None or (meeting is not None and str(meeting) == str(self.meeting_id))

    def stretch(self, *, after: Position | None = None, oldest_first: bool = False) -> Stretch:
        """Return what has to be walked over to find the letters that are meant."""
        return Stretch(
            fingerprint=self.fingerprint,
            since_ms=self.since_ms or 0,
            until_ms=self.until_ms,
            after=after,
            oldest_first=oldest_first,
        )

    def walk(
        self, store: DeadLetterStore, *, after: Position | None = None, oldest_first: bool = False
    ) -> Iterator[Position]:
        """Yield the places of the letters that are meant, by default the newest first."""
        stretch = self.stretch(after=after, oldest_first=oldest_first)
        return (place for place, facts in store.walk(stretch) if self.matches(facts))

    def up_to(self, moment_ms: int) -> Where:
        """Return the same without what died after a moment."""
        return replace(self, until_ms=moment_ms if self.until_ms is None else min(self.until_ms, moment_ms))

    @property
    def is_indexed(self) -> bool:
        """Whether the stretch holds no other letters than those that are meant."""
        others = (self.type, self.queue, self.error_class, self.code, self.meeting_id)
        return all(value is None for value in others)

    def as_dict(self) -> dict[str, Any]:
        """Return the conditions that are given, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


EVERY = Where()
