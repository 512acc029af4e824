"""What happens to streams, recordings and files: the channel ``media_events``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class MediaFact(Fact):
    """Something that happened to media."""

    channel: ClassVar[Channel] = "media_events"

    meeting_id: Id | None = Field(None, description="The meeting it belongs to")


class StreamFact(MediaFact):
    """Something that happened to a participant's stream."""

    stream_id: Id = Field(description="The stream")
    user_id: Id | None = Field(None, description="Whose it is")
    media_type: str | None = Field(None, description="audio, video or screen")


class StreamStarted(StreamFact):
    """A stream began."""

    type: ClassVar[str] = "stream.started"
    aliases: ClassVar[tuple[str, ...]] = ("stream_started",)


class StreamStopped(StreamFact):
    """A stream ended."""

    type: ClassVar[str] = "stream.stopped"
    aliases: ClassVar[tuple[str, ...]] = ("stream_stopped",)


class StreamProcessed(StreamFact):
    """A piece of a stream was stored."""

    type: ClassVar[str] = "stream.processed"
    aliases: ClassVar[tuple[str, ...]] = ("stream_processed",)

    audio_url: str | None = Field(None, description="Its sound, to be recognised; none: there is nothing to recognise")
    offset_ms: int | None = Field(None, ge=0, description="Where in the stream it begins, in ms")


class RecordingFact(MediaFact):
    """Something that happened to a meeting's recording."""

    recording_id: Id = Field(description="The recording")


class RecordingStarted(RecordingFact):
    """A recording began."""

    type: ClassVar[str] = "recording.started"
    aliases: ClassVar[tuple[str, ...]] = ("recording_started",)


class RecordingStopped(RecordingFact):
    """A recording ended; its file may not be complete yet."""

    type: ClassVar[str] = "recording.stopped"
    aliases: ClassVar[tuple[str, ...]] = ("recording_stopped",)

    duration_s: float | None = Field(None, description="Its length in seconds")


class RecordingProcessed(RecordingFact):
    """A recording's file is complete."""

    type: ClassVar[str] = "recording.processed"
    aliases: ClassVar[tuple[str, ...]] = ("recording_processed",)

    file_url: str = Field(description="The file")
    duration_s: float | None = Field(None, description="Its length in seconds")
    minutes_wanted: bool = Field(default=True, description="Whether minutes are to be made of it")
    meeting_type: str | None = Field(None, description="Kind of meeting, for the minutes")
    title: str | None = Field(None, description="Title, for the minutes")


class RecordingFailed(RecordingFact):
    """A recording could not be made."""

    type: ClassVar[str] = "recording.failed"
    aliases: ClassVar[tuple[str, ...]] = ("recording_failed",)

    reason: str | None = Field(None, description="Why")


class TranscodeCompleted(MediaFact):
    """Media was coded anew."""

    type: ClassVar[str] = "transcode.completed"

    task_id: str | None = Field(None, description="The task that did it")
    video_id: Id | None = Field(None, description="The video, by the id its owner gave it")
    format: str = Field(description="The new container")
    output_url: str = Field(description="The new file")


class UploadCompleted(MediaFact):
    """A file was put into an object store."""

    type: ClassVar[str] = "upload.completed"

    task_id: str | None = Field(None, description="The task that did it")
    url: str = Field(description="The stored object")
