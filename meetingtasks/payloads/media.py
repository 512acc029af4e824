"""Arguments and results of the media service: processing and transcoding, upload, recording, streams, audio tools."""

# ruff: noqa: RUF012 - pydantic copies a default list or dict for each instance

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from meetingtasks.payloads.common import (
    AudioFormat,
    Bytes,
    Identifiers,
    JsonObject,
    MediaMs,
    Payload,
    Pixels,
    Result,
    SampleRate,
    Share,
    exactly_one,
)
from meetingtasks.payloads.references import BucketName, ContentType, FrameSize, MediaReference, ObjectKey
from meetingtasks.payloads.texts import Identifier, Line, Sha256, refuse

DurationMs = Annotated[int, Field(ge=0, description="Length, ms")]
Source = Annotated[MediaReference, Field(description="The media: file://, s3:// or https://")]


def in_order(file_order: list[int], count: int) -> None:
    """Refuse an order that does not name each of ``count`` files once, from 0; an empty one keeps them as given."""
    if file_order and sorted(file_order) != list(range(count)):
        raise refuse(f"file_order must name each of the {count} files once, counted from 0")


class VideoProcessingPayload(Payload):
    """A video to be fetched, transcoded to a profile and stored, with a thumbnail."""

    source_url: Annotated[
        MediaReference,
        Field(
            description="The video: file://, s3:// or https://",
            validation_alias=AliasChoices("source_url", "video_url"),
        ),
    ]
    meeting_id: Annotated[Identifier | None, Field(description="Default: the task's meeting")] = None
    profile: Annotated[
        Literal["360p", "480p", "720p", "1080p", "original"], Field(description="Height of the output")
    ] = "720p"
    destination: Annotated[MediaReference | None, Field(description="Where to put it; none: the service's store")] = (
        None
    )


class VideoProcessingResult(Result):
    """Where the output is."""

    output_url: Annotated[str, Field(description="The processed video")]
    thumbnail_url: Annotated[str | None, Field(description="A picture of it; none for audio only")] = None
    duration_ms: DurationMs
    bytes: Bytes
    sha256: Sha256 | None = None


class TranscodePayload(Payload):
    """Media to be coded anew."""

    source_url: Annotated[
        MediaReference | None,
        Field(
            description="The media: file://, s3:// or https://",
            validation_alias=AliasChoices("source_url", "video_url", "input_url"),
        ),
    ] = None
    file_id: Annotated[
        Identifier | None,
        Field(description="A file of the service's store", validation_alias=AliasChoices("file_id", "video_id")),
    ] = None
    format: Annotated[
        Literal["mp4", "webm", "mkv", "mov", "mp3", "m4a", "wav", "ogg", "opus", "flac"],
        Field(
            description="Container of the output",
            validation_alias=AliasChoices("format", "target_format", "output_format"),
        ),
    ] = "mp4"
    quality: Annotated[Literal["low", "medium", "high"], Field(description="Used where no bitrate is given")] = "medium"
    resolution: Annotated[FrameSize | None, Field(description="WIDTHxHEIGHT, even pixels; none: as the input")] = None
    bitrate: Annotated[int | None, Field(ge=8000, le=200_000_000, description="bit/s, 8000-200 000 000")] = None
    frame_rate: Annotated[float | None, Field(ge=1, le=240, description="Frames per second, 1-240")] = None
    video_codec: Annotated[
        Literal["h264", "h265", "vp8", "vp9", "av1", "copy", "none"] | None, Field(description="None given: by format")
    ] = None
    audio_codec: Annotated[
        Literal["aac", "opus", "mp3", "flac", "vorbis", "pcm_s16le", "copy", "none"] | None,
        Field(description="None given: by format"),
    ] = None
    filters: Annotated[
        list[Literal["deinterlace", "denoise", "sharpen", "deband", "loudness"]],
        Field(max_length=5, description="Filters of the allow-list, in this order"),
    ] = []

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "source_url", "file_id")
        return self


class TranscodeResult(Result):
    """Where the output is, and its measures."""

    output_url: Annotated[str, Field(description="The transcoded media")]
    format: str
    width: Pixels | None = None
    height: Pixels | None = None
    bitrate: Annotated[int | None, Field(ge=0, description="bit/s over the whole file")] = None
    duration_ms: DurationMs
    bytes: Bytes
    sha256: Sha256


class UploadPayload(Payload):
    """A file to be put into an object store, in parts."""

    source_url: Annotated[
        MediaReference,
        Field(
            description="The file: file://, s3:// or https://",
            validation_alias=AliasChoices("source_url", "file_url"),
        ),
    ]
    bucket: Annotated[BucketName, Field(description="Where to put it")]
    key: Annotated[ObjectKey, Field(description="Under which key", validation_alias=AliasChoices("key", "object_name"))]
    content_type: Annotated[ContentType, Field(description="Media type")] = "application/octet-stream"
    sha256: Annotated[Sha256 | None, Field(description="Checked before the upload, when given")] = None
    part_size_bytes: Annotated[
        # object stores refuse parts below 5 MiB and above 5 GiB
        int, Field(ge=5 * 2**20, le=5 * 2**30, description="Size of one part, bytes, 5 MiB to 5 GiB")
    ] = 8 * 2**20


class UploadResult(Result):
    """Where the object is."""

    url: Annotated[str, Field(description="The stored object")]
    etag: Annotated[str | None, Field(description="The store's own tag")] = None
    bytes: Bytes
    sha256: Sha256


class RecordingPayload(Payload):
    """Begin or end the recording of a meeting."""

    action: Annotated[Literal["start", "stop"], Field(description="What to do")]
    meeting_id: Annotated[Identifier | None, Field(description="Default: the task's meeting")] = None
    room_id: Annotated[Identifier | None, Field(description="The media server's room")] = None
    recording_id: Annotated[Identifier | None, Field(description="Needed to stop; made up by start")] = None
    title: Annotated[Line | None, Field(description="Title to show")] = None
    quality: Annotated[Literal["720p", "1080p", "4k"], Field(description="Height of the picture")] = "720p"
    format: Annotated[Literal["mp4", "webm", "mkv"], Field(description="Container")] = "mp4"
    participants: Annotated[Identifiers, Field(description="Who is recorded; empty: all")] = []
    max_duration_s: Annotated[int, Field(ge=1, le=86_400, description="Ends by itself after this, s, 1-86 400")] = (
        28_800
    )


class RecordingResult(Result):
    """The recording's state."""

    recording_id: str
    status: Annotated[Literal["recording", "stopped", "failed"], Field(description="State after the action")]
    file_url: Annotated[str | None, Field(description="The file, once stopped")] = None
    duration_s: Annotated[float | None, Field(ge=0, description="Length, s, once stopped")] = None
    file_size: Annotated[int | None, Field(ge=0, description="Bytes, once stopped")] = None


class MediaProcessingPayload(Payload):
    """Begin or end a participant's stream or shared screen."""

    action: Annotated[Literal["start", "stop"], Field(description="What to do")]
    stream_id: Annotated[Identifier, Field(description="The stream")]
    media_type: Annotated[Literal["audio", "video", "screen"], Field(description="What it carries")] = "video"
    room_id: Annotated[Identifier | None, Field(description="The media server's room")] = None
    sequence: Annotated[int | None, Field(ge=0, le=2**31, description="Counts the sender's actions")] = None


class StreamResult(Result):
    """The stream's state after the action."""

    stream_id: str
    status: Annotated[str, Field(description="started, paused, stopped, processed")]


class MediaProcessingResult(StreamResult):
    """The stream's state after ``media_processing``."""


class StreamControlPayload(Payload):
    """Steer a running stream."""

    stream_id: Annotated[Identifier, Field(description="The stream")]
    action: Annotated[Literal["start", "pause", "resume", "stop", "process"], Field(description="What to do")]
    params: Annotated[JsonObject, Field(description="What the action needs besides")] = {}
    sequence: Annotated[int | None, Field(ge=0, le=2**31, description="Counts the sender's actions")] = None


class StreamControlResult(StreamResult):
    """The stream's state after ``stream_control``."""


class MediaProbePayload(Payload):
    """A file to be looked at."""

    source_url: Source


class StreamInfo(Result):
    """One stream of a file."""

    index: Annotated[int, Field(ge=0)]
    kind: Annotated[Literal["audio", "video", "subtitle", "data"], Field(description="What it carries")]
    codec: str
    duration_ms: DurationMs | None = None
    bitrate: Annotated[int | None, Field(ge=0, description="bit/s")] = None
    width: Pixels | None = None
    height: Pixels | None = None
    fps: Annotated[float | None, Field(ge=0, description="Frames per second")] = None
    sample_rate: Annotated[int | None, Field(ge=1, description="Hz")] = None
    channels: Annotated[int | None, Field(ge=1)] = None
    language: str | None = None


class MediaProbeResult(Result):
    """What a file holds."""

    format: Annotated[str, Field(description="Container")]
    duration_ms: DurationMs
    bytes: Bytes
    bitrate: Annotated[int | None, Field(ge=0, description="bit/s over the whole file")] = None
    streams: list[StreamInfo] = []
    metadata: Annotated[dict[str, str], Field(description="Tags of the file")] = {}


class ExtractAudioPayload(Payload):
    """The sound of a video or recording."""

    source_url: Source
    target_format: Annotated[AudioFormat, Field(description="Coding of the output")] = "wav"
    sample_rate: Annotated[SampleRate, Field(description="Hz of the output, 8000-192000")] = 16_000
    channels: Annotated[int, Field(ge=1, le=8, description="Channels of the output, 1-8")] = 1


class ExtractAudioResult(Result):
    """Where the sound is."""

    audio_url: Annotated[str, Field(description="The sound")]
    duration_ms: DurationMs
    bytes: Bytes
    sha256: Sha256


class SplitAudioPayload(Payload):
    """A recording to be cut in its silences."""

    source_url: Source
    target_ms: Annotated[int, Field(ge=1000, le=600_000, description="Wanted length of a chunk, ms")] = 30_000
    min_ms: Annotated[int, Field(ge=100, le=600_000, description="Shortest chunk, ms")] = 5000
    max_ms: Annotated[int, Field(ge=1000, le=600_000, description="Longest chunk, ms")] = 60_000
    overlap_ms: Annotated[int, Field(ge=0, le=10_000, description="Heard twice at each cut, ms")] = 1000

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if not self.min_ms <= self.target_ms <= self.max_ms:
            raise refuse("min_ms must be at most target_ms, and target_ms at most max_ms")
        if self.overlap_ms >= self.min_ms:
            raise refuse("overlap_ms must be less than min_ms")
        return self


class AudioChunk(Result):
    """One chunk of a recording."""

    index: Annotated[int, Field(ge=0)]
    start_ms: MediaMs
    end_ms: MediaMs
    speech_ms: Annotated[int | None, Field(ge=0, description="Speech in it, ms")] = None
    url: str
    sha256: Sha256


class SplitAudioResult(Result):
    """The chunks, which cover the recording without a hole."""

    chunks: list[AudioChunk]
    duration_ms: DurationMs


class MergeAudioPayload(Payload):
    """Several recordings to be joined."""

    source_urls: Annotated[list[MediaReference], Field(min_length=1, max_length=100, description="1-100 files")]
    file_order: Annotated[list[int], Field(max_length=100, description="Order by place, from 0; empty: as given")] = []
    target_format: Annotated[AudioFormat, Field(description="Coding of the output")] = "wav"
    sample_rate: Annotated[SampleRate, Field(description="Hz of the output, 8000-192000")] = 16_000

    @model_validator(mode="after")
    def _order_is_complete(self) -> Self:
        in_order(self.file_order, len(self.source_urls))
        return self


class MergeAudioResult(Result):
    """The joined recording, and where in it each file begins."""

    audio_url: str
    offsets: Annotated[list[int], Field(description="Begin of each file in joined order, ms")]
    duration_ms: DurationMs
    bytes: Bytes
    sha256: Sha256


class ThumbnailPayload(Payload):
    """A picture out of a video."""

    source_url: Source
    time_ms: Annotated[MediaMs, Field(description="Where, ms from the begin")] = 0
    width: Annotated[int, Field(ge=16, le=3840, description="Pixels, 16-3840; the height follows")] = 320
    format: Annotated[Literal["jpeg", "png"], Field(description="Coding of the picture")] = "jpeg"


class ThumbnailResult(Result):
    """Where the picture is."""

    thumbnail_url: str
    width: Pixels
    height: Pixels
    bytes: Bytes
    sha256: Sha256


class WaveformPayload(Payload):
    """The course of loudness, to be drawn."""

    source_url: Source
    points: Annotated[int, Field(ge=10, le=10_000, description="Number of values, 10-10 000")] = 1000


class WaveformResult(Result):
    """Peaks over time."""

    peaks: Annotated[list[Share], Field(description="Loudest sample of each stretch, 0-1")]
    duration_ms: DurationMs
