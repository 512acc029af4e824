"""What happens to meetings and to those in them: the channel ``meeting_events``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class MeetingFact(Fact):
    """Something that happened to a meeting."""

    channel: ClassVar[Channel] = "meeting_events"

    meeting_id: Id = Field(description="The meeting")


class MeetingCreated(MeetingFact):
    """A meeting was planned or opened."""

    type: ClassVar[str] = "meeting.created"
    aliases: ClassVar[tuple[str, ...]] = ("meeting_created",)

    title: str | None = Field(None, description="Its title")
    host_id: Id | None = Field(None, description="Who may control it")


class MeetingStarted(MeetingFact):
    """A meeting began."""

    type: ClassVar[str] = "meeting.started"
    aliases: ClassVar[tuple[str, ...]] = ("meeting_started",)


class MeetingEnded(MeetingFact):
    """A meeting is over."""

    type: ClassVar[str] = "meeting.ended"
    aliases: ClassVar[tuple[str, ...]] = ("meeting_ended",)

    duration_s: float | None = Field(None, description="How long it took, in seconds")
    recording_id: Id | None = Field(None, description="The recording that runs and is to be stopped")


class MeetingUserJoined(MeetingFact):
    """Someone came into a meeting."""

    type: ClassVar[str] = "meeting.user_joined"
    aliases: ClassVar[tuple[str, ...]] = ("user_joined", "meeting_user_joined")

    user_id: Id = Field(description="Who")
    username: str | None = Field(None, description="The name to show")


class MeetingUserLeft(MeetingFact):
    """Someone left a meeting."""

    type: ClassVar[str] = "meeting.user_left"
    aliases: ClassVar[tuple[str, ...]] = ("user_left", "meeting_user_left")

    user_id: Id = Field(description="Who")
    session_id: str | None = Field(None, description="The session that ended with it")
    reason: str | None = Field(None, description="Why, as shown to others")


class MeetingMinutesReady(MeetingFact):
    """A recording's minutes are there."""

    type: ClassVar[str] = "meeting.minutes_ready"

    meeting_id: Id | None = Field(None, description="The meeting; none: the recording belongs to none")  # type: ignore[assignment] # a recording may come from outside
    pipeline_id: str = Field(description="The run, and its task")
    minutes_url: str = Field(description="Where they are")
    coverage: float = Field(description="Part of the speech that was transcribed, 0-1")
    partial: bool = Field(default=False, description="Whether a stretch is missing")
