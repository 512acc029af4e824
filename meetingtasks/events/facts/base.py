"""A fact: one type of event as a class, with its channel, its other spellings and the fields of its payload."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

#: an id as its owner writes it
Id = int | str
Channel = Literal[
    "meeting_events",
    "media_events",
    "ai_events",
    "user_events",
    "signaling_events",
    "system_events",
    "task_events",
]


class Fact(BaseModel):
    """Something that happened. Fields of later versions are ignored, so an older reader understands a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    channel: ClassVar[Channel]
    aliases: ClassVar[tuple[str, ...]] = ()

    def payload(self) -> dict[str, Any]:
        """Return the payload as JSON values; what is not known is left out."""
        return self.model_dump(mode="json", exclude_none=True)
