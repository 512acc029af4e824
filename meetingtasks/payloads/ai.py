"""Arguments and results of the AI service: speech, emotion, denoising, video enhancement, speech synthesis, writing."""

# ruff: noqa: RUF012 - pydantic copies a default list or dict for each instance

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from meetingtasks.payloads.common import (
    AudioFields,
    AudioFormat,
    AudioPayload,
    Bytes,
    JsonObject,
    MediaMs,
    Payload,
    Pixels,
    Result,
    SampleRate,
    Segment,
    Share,
    exactly_one,
)
from meetingtasks.payloads.references import InlineData, MediaReference
from meetingtasks.payloads.texts import CalendarDate, ClockTime, Identifier, LanguageTag, Line, Sha256, Text, refuse

ProcessingMs = Annotated[int, Field(ge=0, description="Time the engine took, ms")]
EngineName = Annotated[str, Field(description="The engine that did the work")]
ModelName = Annotated[str | None, Field(description="The engine's model, where it has one")]


class SpeechRecognitionPayload(AudioPayload):
    """Speech to text, of a whole recording or of one chunk of a stream."""

    language: Annotated[LanguageTag, Field(description="auto, a tag, or tags joined by + for mixed speech")] = "auto"
    offset_ms: Annotated[MediaMs, Field(description="Where in the recording to begin, ms")] = 0
    duration_ms: Annotated[MediaMs | None, Field(description="How much to read, ms; none: to the end")] = None
    chunk_index: Annotated[int | None, Field(ge=0, le=100_000, description="This chunk's place, from 0")] = None
    chunk_count: Annotated[int | None, Field(ge=1, le=100_000, description="Chunks in all")] = None
    stream_id: Annotated[Identifier | None, Field(description="The live stream it belongs to")] = None
    sequence: Annotated[int | None, Field(ge=0, le=2**31, description="Place within the live stream")] = None
    is_final: Annotated[bool, Field(description="Whether the stream's sentence ends here")] = True
    word_timestamps: Annotated[bool, Field(description="Whether times of single words are wanted")] = False
    diarize: Annotated[bool, Field(description="Whether speakers are to be told apart")] = False
    hotwords: Annotated[list[Line], Field(max_length=500, description="Names and terms to expect, at most 500")] = []
    context: Annotated[Text, Field(max_length=2000, description="What was said before, at most 2000 characters")] = ""
    engine: Annotated[Identifier, Field(description="auto, or the name of a configured engine")] = "auto"

    @model_validator(mode="after")
    def _index_within_count(self) -> Self:
        if self.chunk_index is not None and self.chunk_count is not None and self.chunk_index >= self.chunk_count:
            raise refuse("chunk_index must be less than chunk_count")
        return self


class SpeechRecognitionResult(Result):
    """What was said, and how sure the engine is."""

    text: Annotated[str, Field(description="The whole text")]
    segments: Annotated[list[Segment], Field(description="Stretches in order of time")] = []
    language: Annotated[str, Field(description="Language found or asked for")]
    confidence: Annotated[Share | None, Field(description="0-1 over the whole; none when the engine gives none")] = None
    audio_ms: Annotated[int, Field(ge=0, description="Length of the audio read, ms")]
    processing_ms: Annotated[ProcessingMs, Field(validation_alias=AliasChoices("processing_ms", "duration_ms"))]
    no_speech: Annotated[bool, Field(description="Whether nothing was said: a result, not an error")] = False
    note: Annotated[str, Field(description="What a reader must know of the engine's accuracy")] = ""
    engine: EngineName
    model: ModelName = None


class TextItem(Payload):
    """One of many texts of a request."""

    id: Annotated[Identifier, Field(description="Comes back with its result")]
    text: Annotated[Text, Field(max_length=20_000, description="At most 20 000 characters")]


class EmotionDetectionPayload(AudioFields):
    """The mood of a text, of several texts, of a voice or of a face: exactly one of them."""

    text: Annotated[Text | None, Field(max_length=20_000, description="At most 20 000 characters")] = None
    texts: Annotated[list[TextItem] | None, Field(min_length=1, max_length=200, description="1-200 texts")] = None
    # narrower than elsewhere: a bare "data" is a picture here
    audio_data: Annotated[
        InlineData | None,
        Field(
            description="A voice as base64, at most 256 KiB decoded",
            validation_alias=AliasChoices("audio_data", "audio"),
        ),
    ] = None
    image_url: Annotated[MediaReference | None, Field(description="A picture: file://, s3:// or https://")] = None
    image_data: Annotated[
        InlineData | None,
        Field(
            description="A picture as base64, at most 256 KiB decoded",
            validation_alias=AliasChoices("image_data", "image", "data"),
        ),
    ] = None
    image_format: Annotated[Literal["jpeg", "jpg", "png", "webp", "rgb24"], Field(description="Its coding")] = "jpeg"
    width: Annotated[Pixels | None, Field(description="Pixels; needed for rgb24 only")] = None
    height: Annotated[Pixels | None, Field(description="Pixels; needed for rgb24 only")] = None
    engine: Annotated[Identifier, Field(description="auto, or the name of a configured engine")] = "auto"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "text", "texts", "audio_url", "audio_data", "image_url", "image_data")
        if self.image_data is not None and self.image_format == "rgb24" and not (self.width and self.height):
            raise refuse("rgb24 needs width and height")
        return self


class Mood(Result):
    """The mood of one text, voice or face."""

    emotion: Annotated[str, Field(description="The strongest label")]
    confidence: Annotated[Share | None, Field(description="0-1; none when the engine gives none")] = None
    emotions: Annotated[dict[str, Share], Field(description="Every label with its share, 0-1")] = {}
    sentiment: Annotated[float | None, Field(ge=-1, le=1, description="-1 bad … 1 good")] = None


class MoodItem(Mood):
    """The mood of one of several texts."""

    id: Annotated[str, Field(description="The id that came with the text")]


class EmotionDetectionResult(Mood):
    """The mood; with several texts, ``items`` has one each and the rest speaks of all of them."""

    modality: Annotated[Literal["text", "voice", "face"], Field(description="What was looked at")]
    items: Annotated[list[MoodItem], Field(description="One per text of texts")] = []
    processing_ms: ProcessingMs | None = None
    engine: EngineName
    model: ModelName = None


class SynthesisDetectionPayload(AudioPayload):
    """Whether a voice was made by a machine."""

    engine: Annotated[Identifier, Field(description="auto, or the name of a configured engine")] = "auto"


class SynthesisDetectionResult(Result):
    """The judgement and its grounds."""

    is_synthetic: Annotated[bool, Field(description="Whether the score is above the engine's threshold")]
    score: Annotated[Share, Field(description="0 a human voice … 1 a synthetic one")]
    confidence: Annotated[Share | None, Field(description="0-1; none when the engine gives none")] = None
    processing_ms: ProcessingMs
    engine: EngineName
    model: ModelName = None


class AudioDenoisingPayload(AudioPayload):
    """Audio with less noise."""

    method: Annotated[
        Literal["auto", "afftdn", "gate", "none"],
        Field(description="afftdn: spectral; gate: silence between words; none: convert only; auto: by the noise"),
    ] = "auto"
    noise_reduction_db: Annotated[float, Field(ge=0.01, le=97, description="How much to take away, dB, 0.01-97")] = 12.0
    noise_floor_db: Annotated[float, Field(ge=-80, le=-20, description="Level of the noise, dBFS, -80 to -20")] = -50.0
    target_format: Annotated[AudioFormat, Field(description="Coding of the output")] = "wav"
    target_rate: Annotated[SampleRate, Field(description="Hz of the output, 8000-192000")] = 16_000


class AudioDenoisingResult(Result):
    """Where the cleaned audio is and what changed."""

    audio_url: Annotated[str, Field(description="The cleaned audio")]
    bytes: Bytes
    duration_ms: Annotated[int, Field(ge=0, description="Length, ms; as long as the input")]
    floor_before_db: Annotated[float | None, Field(description="Noise floor of the input, dBFS; none: silent")] = None
    floor_after_db: Annotated[float | None, Field(description="Noise floor of the output, dBFS; none: silent")] = None
    sha256: Sha256
    method: Annotated[str, Field(description="The method used, also where auto was asked for")]
    processing_ms: ProcessingMs | None = None
    engine: EngineName
    model: ModelName = None


class VideoEnhancementPayload(Payload):
    """A better picture: less noise, sharper, without bands, steadier or scaled."""

    video_url: Annotated[
        MediaReference,
        Field(
            description="The video: file://, s3:// or https://",
            validation_alias=AliasChoices("video_url", "source_url"),
        ),
    ]
    format: Annotated[Literal["mp4", "webm", "mkv"], Field(description="Container of the output")] = "mp4"
    width: Annotated[Pixels | None, Field(description="Width of the input, pixels; checked when given")] = None
    height: Annotated[Pixels | None, Field(description="Height of the input, pixels; checked when given")] = None
    fps: Annotated[float | None, Field(ge=1, le=240, description="Frames per second of the output, 1-240")] = None
    operations: Annotated[
        list[Literal["denoise", "sharpen", "deband", "stabilise", "scale"]],
        Field(min_length=1, max_length=5, description="What to do, in this order"),
    ] = ["denoise", "sharpen"]
    target_width: Annotated[int | None, Field(ge=16, le=7680, multiple_of=2, description="Pixels, even, for scale")] = (
        None
    )
    target_height: Annotated[
        int | None, Field(ge=16, le=7680, multiple_of=2, description="Pixels, even, for scale")
    ] = None

    @model_validator(mode="after")
    def _scale_has_a_target(self) -> Self:
        if "scale" in self.operations and self.target_width is None and self.target_height is None:
            raise refuse("the operation scale needs target_width or target_height")
        return self


class VideoEnhancementResult(Result):
    """Where the enhanced video is, and its measures."""

    video_url: Annotated[str, Field(description="The enhanced video")]
    width: Pixels
    height: Pixels
    fps: Annotated[float, Field(gt=0, description="Frames per second")]
    bytes: Bytes
    duration_ms: Annotated[int, Field(ge=0, description="Length, ms")]
    operations: Annotated[list[str], Field(description="What was done")] = []
    sha256: Sha256 | None = None
    processing_ms: ProcessingMs | None = None
    engine: EngineName
    model: ModelName = None


class TextToSpeechPayload(Payload):
    """Text read aloud."""

    text: Annotated[Text, Field(min_length=1, max_length=5000, description="1-5000 characters")]
    language: Annotated[LanguageTag, Field(description="auto or a tag such as en or zh-CN")] = "auto"
    voice: Annotated[
        Identifier | None, Field(description="A voice of the engine; none: its first for the language")
    ] = None
    rate_wpm: Annotated[int, Field(ge=80, le=450, description="Words per minute, 80-450")] = 160
    format: Annotated[AudioFormat, Field(description="Coding of the output")] = "wav"


class TextToSpeechResult(Result):
    """Where the spoken text is."""

    audio_url: Annotated[str, Field(description="The spoken text")]
    duration_ms: Annotated[int, Field(ge=0, description="Length, ms")]
    bytes: Bytes
    sha256: Sha256 | None = None
    engine: EngineName
    model: ModelName = None


class ContentGenerationPayload(Payload):
    """A text on a topic, or a template filled in."""

    topic: Annotated[Text | None, Field(min_length=1, max_length=2000, description="What to write about")] = None
    style: Annotated[Line, Field(description="How to write, in words")] = ""
    length: Annotated[int, Field(ge=1, le=20_000, description="Wanted length in characters, 1-20 000")] = 1000
    template: Annotated[Text | None, Field(min_length=1, max_length=20_000, description="Text with {names}")] = None
    inputs: Annotated[JsonObject, Field(description="What the template's names stand for")] = {}
    language: Annotated[LanguageTag, Field(description="Language of the text; auto: the topic's own")] = "auto"
    engine: Annotated[Identifier, Field(description="auto, or the name of a configured engine")] = "auto"

    @model_validator(mode="after")
    def _topic_or_template(self) -> Self:
        exactly_one(self, "topic", "template")
        return self


class ContentGenerationResult(Result):
    """The text."""

    content: Annotated[str, Field(description="The text")]
    tokens: Annotated[int | None, Field(ge=0, description="Tokens used, where the engine counts them")] = None
    note: Annotated[str, Field(description="What a reader must know of how it was made")] = ""
    engine: EngineName
    model: ModelName = None


class MeetingMinutesPayload(Payload):
    """A transcript to be made into minutes, a list of actions or a short summary."""

    transcript_url: Annotated[MediaReference | None, Field(description="Transcript file (JSON)")] = None
    segments: Annotated[list[Segment] | None, Field(max_length=5000, description="The transcript itself")] = None
    artifact_type: Annotated[
        Literal["meeting_minutes", "action_items", "summary_notes"], Field(description="What to write")
    ] = "meeting_minutes"
    meeting_type: Annotated[Identifier, Field(description="Kind of meeting; chooses the template")] = "common"
    title: Annotated[Line | None, Field(description="Title; none: found in the text")] = None
    language: Annotated[LanguageTag, Field(description="Language of the minutes")] = "zh-CN"
    participants: Annotated[list[Line], Field(max_length=1000, description="Names of those present")] = []
    meeting_date: Annotated[CalendarDate | None, Field(description="Day, YYYY-MM-DD")] = None
    meeting_time: Annotated[ClockTime | None, Field(description="Time of day, HH:MM")] = None
    template_id: Annotated[Identifier | None, Field(description="A template of the configuration")] = None
    custom_instructions: Annotated[Text | None, Field(max_length=2000, description="Wishes in words")] = None
    engine: Annotated[Identifier, Field(description="auto, or the name of a configured engine")] = "auto"

    @model_validator(mode="after")
    def _one_transcript(self) -> Self:
        exactly_one(self, "transcript_url", "segments")
        return self


class Decision(Result):
    """Something that was decided, and where."""

    text: str
    segment_ids: Annotated[list[str], Field(description="Segments that say so")] = []


class ActionItem(Decision):
    """Something that someone is to do."""

    owner: Annotated[str | None, Field(description="Who; none when nobody was named")] = None
    due: Annotated[str | None, Field(description="Until when, as a date or as said")] = None


class MeetingMinutesResult(Result):
    """The minutes; every decision and action points at the segments that carry it."""

    title: str
    participants: list[str] = []
    summary: str
    key_points: list[str] = []
    decisions: list[Decision] = []
    action_items: list[ActionItem] = []
    responsible_person: Annotated[str | None, Field(description="Who leads, when someone was named")] = None
    version: Annotated[int, Field(ge=1, description="Counts the versions of this meeting's minutes")] = 1
    coverage: Annotated[Share | None, Field(description="Part of the speech that the transcript holds, 0-1")] = None
    minutes_url: Annotated[str | None, Field(description="Where the minutes are kept, when stored")] = None
    artifact_type: str = "meeting_minutes"
    note: Annotated[str, Field(description="What a reader must know of how they were made")] = ""
    engine: EngineName
    model: ModelName = None


class KnownSpeaker(Payload):
    """Someone whose voice is known."""

    speaker_id: Annotated[Identifier, Field(description="The person's id")]
    name: Annotated[Line, Field(description="Name to show")]
    sample_url: Annotated[MediaReference | None, Field(description="A sample of the voice")] = None


class SpeakerMatch(Payload):
    """The person a label stands for."""

    speaker_id: Annotated[Identifier | None, Field(description="The person's id; none: nobody known")] = None
    name: Annotated[Line, Field(description="Name to show")]
    confidence: Annotated[Share | None, Field(description="0-1; none when the engine gives none")] = None


class SpeakerRecognitionPayload(Payload):
    """A transcript's speaker labels to be matched with known voices."""

    transcript_url: Annotated[MediaReference, Field(description="Transcript file (JSON) with labels")]
    audio_url: Annotated[MediaReference, Field(description="The recording it was made from")]
    known_speakers: Annotated[list[KnownSpeaker], Field(max_length=500, description="Voices to look for")] = []


class SpeakerRecognitionResult(Result):
    """Who each label is."""

    mapping: Annotated[dict[str, SpeakerMatch], Field(description="Label to person")]
    engine: EngineName
    model: ModelName = None


class SpeakerCorrectionPayload(Payload):
    """A transcript whose labels are to be replaced by the persons found."""

    transcript_url: Annotated[MediaReference, Field(description="Transcript file (JSON) with labels")]
    audio_url: Annotated[MediaReference | None, Field(description="The recording, to listen again")] = None
    known_speakers: Annotated[list[KnownSpeaker], Field(max_length=500, description="Voices to look for")] = []
    mapping: Annotated[dict[Line, SpeakerMatch], Field(max_length=500, description="Label to person")] = {}


class SpeakerCorrectionResult(Result):
    """Where the corrected transcript is."""

    transcript_url: Annotated[str, Field(description="The corrected transcript")]
    corrected: Annotated[int, Field(ge=0, description="Segments whose speaker changed")] = 0
    engine: EngineName
    model: ModelName = None
