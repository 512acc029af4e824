"""Arguments and results of the meeting service: recordings to minutes, meeting control, reports, messages, upkeep."""

# ruff: noqa: RUF012 - pydantic copies a default list or dict for each instance

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from meetingtasks.payloads.common import Identifiers, JsonObject, Payload, Result, Share, exactly_one
from meetingtasks.payloads.media import in_order
from meetingtasks.payloads.references import MediaFile, WebAddress
from meetingtasks.payloads.texts import (
    CalendarDate,
    ClockTime,
    EmailAddress,
    Identifier,
    LanguageTag,
    Line,
    Moment,
    TimeZone,
    refuse,
)

Channel = Literal["websocket", "webhook", "email"]
_OWN_MEETING = "Default: the task's meeting"


class NotifyTargets(Payload):
    """Who hears that the minutes are ready."""

    channels: Annotated[list[Channel], Field(max_length=3, description="Ways to tell them")] = ["websocket"]
    user_ids: Annotated[Identifiers, Field(description="Users to tell; empty: the meeting's participants")] = []
    emails: Annotated[list[EmailAddress], Field(max_length=100, description="Addresses to write to")] = []
    webhook_url: Annotated[WebAddress | None, Field(description="Address to call")] = None


class ProcessRecordingPayload(Payload):
    """A meeting's recording to be made into a transcript and minutes."""

    audio_files: Annotated[
        list[MediaFile] | None,
        Field(min_length=1, max_length=100, description="1-100 files: references, or paths under the configured root"),
    ] = None
    recording_id: Annotated[Identifier | None, Field(description="A recording of the media service")] = None
    file_order: Annotated[list[int], Field(max_length=100, description="Order by place, from 0; empty: as given")] = []
    original_filenames: Annotated[list[Line], Field(max_length=100, description="Names to show, one per file")] = []
    meeting_id: Annotated[Identifier | None, Field(description=_OWN_MEETING)] = None
    user_id: Annotated[Identifier | None, Field(description="Default: the task's user")] = None
    title: Annotated[Line | None, Field(description="Title; none: found in the text")] = None
    meeting_type: Annotated[Identifier, Field(description="Kind of meeting; chooses the template")] = "weekly_sync"
    meeting_date: Annotated[CalendarDate | None, Field(description="Day, YYYY-MM-DD")] = None
    meeting_time: Annotated[ClockTime | None, Field(description="Time of day, HH:MM")] = None
    participants: Annotated[list[Line], Field(max_length=1000, description="Names of those present")] = []
    asr_language: Annotated[LanguageTag, Field(description="Language spoken; tags joined by + for mixed speech")] = (
        "auto"
    )
    output_language: Annotated[LanguageTag, Field(description="Language of the minutes")] = "zh-CN"
    skip_speaker_recognition: Annotated[bool, Field(description="Leave the speakers' labels as they are")] = False
    hotword_set_id: Annotated[Identifier | None, Field(description="A set of names and terms to expect")] = None
    emotion: Annotated[bool, Field(description="Whether the mood of each segment is wanted")] = True
    notify: Annotated[NotifyTargets | None, Field(description="Who is told; none: the submitter only")] = None

    @model_validator(mode="after")
    def _files_agree(self) -> Self:
        exactly_one(self, "audio_files", "recording_id")
        count = len(self.audio_files or [])
        in_order(self.file_order, count)
        if self.original_filenames and len(self.original_filenames) != count:
            raise refuse(f"original_filenames must have one name for each of the {count} files")
        return self


class ProcessRecordingResult(Result):
    """Where transcript and minutes are, and how much of the speech they hold."""

    pipeline_id: str
    transcript_url: str | None = None
    minutes_url: str | None = None
    coverage: Annotated[Share | None, Field(description="Part of the speech that was transcribed, 0-1")] = None
    partial: Annotated[bool, Field(description="Whether a stretch is missing")] = False
    no_speech: Annotated[bool, Field(description="Whether nothing was said: a result, not an error")] = False
    audio_ms: Annotated[int | None, Field(ge=0, description="Length of the recording, ms")] = None
    stages: Annotated[JsonObject, Field(description="Each stage with its state and times")] = {}


MeetingAction = Literal["create", "end", "join", "leave", "mute", "unmute", "kick_user"]


class MeetingControlPayload(Payload):
    """Something a host or participant does to a meeting."""

    action: Annotated[MeetingAction, Field(description="What to do")]
    meeting_id: Annotated[Identifier | None, Field(description=_OWN_MEETING)] = None
    user_id: Annotated[Identifier | None, Field(description="Who does it; default: the task's user")] = None
    target_user_id: Annotated[Identifier | None, Field(description="To whom; needed for kick_user")] = None
    title: Annotated[Line | None, Field(description="Title, for create")] = None
    reason: Annotated[Line | None, Field(description="Shown to those concerned")] = None
    request_id: Annotated[Identifier | None, Field(description="The client's id of this request")] = None

    @model_validator(mode="after")
    def _kick_has_a_target(self) -> Self:
        if self.action == "kick_user" and self.target_user_id is None:
            raise refuse("the action kick_user needs target_user_id")
        return self


class MeetingControlResult(Result):
    """The meeting after the action."""

    meeting_id: str
    status: Annotated[str, Field(description="active or ended")]
    participants: Annotated[list[str], Field(description="Users now in it")] = []
    muted: Annotated[list[str], Field(description="Users now muted")] = []


class ReportGenerationPayload(Payload):
    """A report over a stretch of time, or on one meeting."""

    report_type: Annotated[Literal["hourly", "daily", "weekly", "meeting"], Field(description="Kind of report")]
    period_start: Annotated[Moment | None, Field(description="Begin; none: the last full hour, day or week")] = None
    period_end: Annotated[Moment | None, Field(description="End, not included; none: one period after the begin")] = (
        None
    )
    timezone: Annotated[TimeZone, Field(description="Zone in which days and weeks begin")] = "UTC"
    format: Annotated[Literal["md", "json", "csv", "html"], Field(description="Form of the file")] = "md"
    meeting_id: Annotated[Identifier | None, Field(description=_OWN_MEETING)] = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.period_start and self.period_end and self.period_start >= self.period_end:
            raise refuse("period_start must be before period_end")
        return self


class ReportGenerationResult(Result):
    """Where the report is, and its sums."""

    report_url: str
    rows: Annotated[int, Field(ge=0, description="Lines of data")]
    totals: Annotated[JsonObject, Field(description="Sums over the period")] = {}
    period_start: Moment | None = None
    period_end: Moment | None = None


class NotificationPayload(Payload):
    """A message to people, over one or more ways."""

    channels: Annotated[list[Channel], Field(min_length=1, max_length=3, description="Ways to tell them")] = [
        "websocket"
    ]
    recipients: Annotated[
        list[Identifier], Field(min_length=1, max_length=1000, description="User ids, addresses; 1-1000")
    ]
    template: Annotated[Identifier, Field(description="A template of the configuration")] = "plain"
    data: Annotated[JsonObject, Field(description="What the template's names stand for")] = {}
    dedupe_key: Annotated[Identifier | None, Field(description="The same message is sent once per key")] = None


class FailedRecipient(Result):
    """Someone who was not reached."""

    recipient: str
    reason: str


class NotificationResult(Result):
    """Who was reached and who was not."""

    delivered: list[str] = []
    failed: list[FailedRecipient] = []


class WebhookDeliveryPayload(Payload):
    """An event to be posted to another system, signed."""

    url: Annotated[WebAddress, Field(description="Where to; its host must be allowed by the settings")]
    event: Annotated[Identifier, Field(description="Type of the event")]
    event_id: Annotated[Identifier | None, Field(description="The same event is delivered once per address")] = None
    body: Annotated[JsonObject, Field(description="What is posted")] = {}
    secret_ref: Annotated[Identifier | None, Field(description="Name of the signing secret, never the secret")] = None


class WebhookDeliveryResult(Result):
    """How the other system answered."""

    status_code: Annotated[int, Field(ge=100, le=599)]
    attempts: Annotated[int, Field(ge=1, description="Posts until this answer")] = 1


class CleanupPayload(Payload):
    """Things to be removed because they are old."""

    resource: Annotated[
        Literal["temp_files", "tasks", "sessions", "results", "recordings"], Field(description="What to remove")
    ] = "temp_files"
    older_than_s: Annotated[int, Field(ge=0, le=3_155_760_000, description="Age above which it goes, s; 30 days")] = (
        2_592_000
    )
    dry_run: Annotated[bool, Field(description="Count only")] = False


class CleanupResult(Result):
    """What was removed, or would have been."""

    removed: Annotated[int, Field(ge=0)]
    bytes_freed: Annotated[int, Field(ge=0)] = 0
    dry_run: bool = False


class HotspotMonitorPayload(Payload):
    """A look at what is overloaded."""

    window_s: Annotated[int, Field(ge=10, le=86_400, description="Stretch to look back, s, 10-86 400")] = 300
    limits: Annotated[
        dict[Identifier, Annotated[float, Field(ge=0)]],
        Field(max_length=100, description="Measure to the value above which it is hot; none: the settings'"),
    ] = {}


class Hotspot(Result):
    """One overloaded queue or meeting."""

    queue: str | None = None
    meeting: str | None = None
    measure: Annotated[str, Field(description="What is high, such as pending")]
    value: float


class HotspotMonitorResult(Result):
    """What is hot, hottest first."""

    hot: list[Hotspot] = []
    alarms: Annotated[int, Field(ge=0, description="Alarms raised by this look")] = 0


UserAction = Literal["register", "login", "profile_update", "status_change"]


class UserManagementPayload(Payload):
    """The older, general form of the four ``user_*`` types."""

    action: Annotated[UserAction, Field(description="Which of the four")]
    user_id: Annotated[Identifier | None, Field(description="Default: the task's user")] = None
    data: Annotated[
        JsonObject,
        Field(description="Arguments of the user_* type", validation_alias=AliasChoices("data", "params")),
    ] = {}


class UserManagementResult(Result):
    """The user concerned."""

    user_id: str
    event_id: str
