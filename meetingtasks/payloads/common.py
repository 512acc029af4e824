"""What all payloads share: the two base models, free-form objects, audio input, transcript segments and numbers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from meetingtasks.payloads.border import validate
from meetingtasks.payloads.json_value import FREE_FORM, JsonProblem, check_json
from meetingtasks.payloads.keys import content_key
from meetingtasks.payloads.references import InlineData, MediaReference, decode_inline
from meetingtasks.payloads.texts import Identifier, Line, Text, refuse

__all__ = [
    "AudioFields",
    "AudioFormat",
    "AudioPayload",
    "Bytes",
    "Identifiers",
    "JsonObject",
    "MediaMs",
    "Payload",
    "Pixels",
    "Result",
    "SampleRate",
    "Segment",
    "Share",
    "content_key",
    "decode_inline",
    "exactly_one",
    "validate",
]

AudioFormat = Literal["wav", "mp3", "m4a", "ogg", "opus", "flac", "webm", "mp4", "pcm_s16le"]

DAY_MS: Final = 24 * 3600 * 1000


class Payload(BaseModel):
    """Base of all arguments: unknown fields refused, no conversions (``"5"`` and ``true`` are not numbers), frozen."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


class Result(BaseModel):
    """Base of all results: as strict as arguments, so that a service cannot drift from what it declares."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
    )


def exactly_one(model: BaseModel, *names: str) -> None:
    """Refuse a model in which not exactly one of the named fields is given."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise refuse(f"give exactly one of {', '.join(names[:-1])} or {names[-1]}", "exactly_one")


def _free_form(value: dict[str, Any]) -> dict[str, Any]:
    try:
        check_json(value, FREE_FORM)
    except JsonProblem as problem:
        where = f" (at {'.'.join(map(str, problem.path))})" if problem.path else ""
        kind = "payload_too_large" if problem.too_large else "free_form"
        raise PydanticCustomError(kind, "{problem}", {"problem": problem.text + where}) from None
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_free_form)]
"""A JSON object of the caller's own shape: depth ≤ 32, ≤ 1000 keys, ≤ 256 KiB, stored as it was sent."""

Identifiers = Annotated[list[Identifier], Field(max_length=1000)]
"""Up to 1000 identifiers."""

MediaMs = Annotated[int, Field(ge=0, le=DAY_MS)]
"""A time or length within media, in milliseconds; at most a day."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A confidence or part of a whole, 0 to 1."""

Bytes = Annotated[int, Field(ge=0)]
"""A size in bytes."""

Pixels = Annotated[int, Field(ge=1, le=16_384)]
"""The side of a picture in pixels."""

SampleRate = Annotated[int, Field(ge=8000, le=192_000)]
"""Samples per second of one channel, in Hz."""


class AudioFields(Payload):
    """Where audio comes from and, for raw samples, how to read it."""

    audio_url: Annotated[MediaReference | None, Field(description="The recording: file://, s3:// or https://")] = None
    audio_data: Annotated[
        InlineData | None,
        Field(
            description="The recording itself as base64, at most 256 KiB decoded",
            # "audio" and "data" are what short examples call it
            validation_alias=AliasChoices("audio_data", "audio", "data"),
        ),
    ] = None
    format: Annotated[
        AudioFormat,
        Field(description="Container or coding of the audio", validation_alias=AliasChoices("format", "audio_format")),
    ] = "wav"
    sample_rate: Annotated[SampleRate, Field(description="Hz, 8000-192000; read for pcm_s16le only")] = 16_000
    channels: Annotated[int, Field(ge=1, le=8, description="1-8; read for pcm_s16le only")] = 1


class AudioPayload(AudioFields):
    """Arguments of a type that needs audio: exactly one of ``audio_url`` and ``audio_data``."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "audio_url", "audio_data")
        return self


class Segment(Payload):
    """A stretch of a transcript."""

    start_ms: Annotated[MediaMs, Field(description="Begin, ms from the recording's begin")]
    end_ms: Annotated[MediaMs, Field(description="End, ms from the recording's begin")]
    text: Annotated[Text, Field(max_length=20_000, description="What was said")]
    speaker: Annotated[Line | None, Field(description="Label or name of the speaker")] = None
    confidence: Annotated[Share | None, Field(description="0-1; none when the engine gives none")] = None
    id: Annotated[Identifier | None, Field(description="Name by which decisions and actions point here")] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_ms < self.start_ms:
            raise refuse("end_ms must not be before start_ms")
        return self
