"""What minutes hold: frozen values that point back at the transcript."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Decision:
    """Something that was decided, in the words that were said."""

    text: str
    segment_ids: tuple[str, ...]


@dataclass(frozen=True)
class ActionItem:
    """Something that someone is to do, in the words that were said; ``due`` as an ISO date where it can be told."""

    text: str
    owner: str | None
    due: str | None
    segment_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """The minutes of one meeting.

    ``coverage`` is the transcribed share of the speech, 0-1; ``gaps`` are stretches of the recording that could not be
    transcribed. ``note`` says what a reader must know about how the minutes were made.
    """

    title: str
    language: str
    engine: str
    participants: tuple[str, ...] = ()
    summary: str = ""
    key_points: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    action_items: tuple[ActionItem, ...] = ()
    responsible_person: str | None = None
    meeting_date: str | None = None
    meeting_time: str | None = None
    version: int = 1
    note: str = ""
    coverage: float | None = None
    gaps: tuple[dict[str, Any], ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        values = asdict(self)
        for item in (*values["decisions"], *values["action_items"]):
            item["segment_ids"] = list(item["segment_ids"])
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
