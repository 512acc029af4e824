"""What the AI service has found out, and which models it holds: the channel ``ai_events``."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class AiFact(Fact):
    """Something that the AI service did."""

    channel: ClassVar[Channel] = "ai_events"


class AnalysisFact(AiFact):
    """A task of the AI service has its result."""

    task_id: str = Field(description="The task, whose record has the whole result")
    meeting_id: Id | None = Field(None, description="The meeting it belongs to")
    result_ref: str | None = Field(None, description="A stored file of the result, where there is one")
    summary: dict[str, Any] = Field(default_factory=dict, description="The few values that a reader may show at once")


class SpeechRecognitionCompleted(AnalysisFact):
    """Speech was recognised."""

    type: ClassVar[str] = "speech_recognition.completed"


class EmotionDetectionCompleted(AnalysisFact):
    """A mood was found."""

    type: ClassVar[str] = "emotion_detection.completed"


class AudioDenoisingCompleted(AnalysisFact):
    """A recording was cleaned."""

    type: ClassVar[str] = "audio_denoising.completed"


class VideoEnhancementCompleted(AnalysisFact):
    """A video was enhanced."""

    type: ClassVar[str] = "video_enhancement.completed"


class SynthesisDetectionCompleted(AnalysisFact):
    """A voice was judged to be natural or made."""

    type: ClassVar[str] = "synthesis_detection.completed"
    aliases: ClassVar[tuple[str, ...]] = ("deepfake_detection.completed",)


class TranscriptFact(AiFact):
    """A stretch of a recording has been gone through."""

    pipeline_id: str = Field(description="The run")
    meeting_id: Id | None = Field(None, description="The meeting it belongs to")
    index: int = Field(ge=0, description="The part of the recording, from 0")


class TranscriptSegment(TranscriptFact):
    """Something that was said; segments come in the order of the recording."""

    type: ClassVar[str] = "transcript.segment"

    start_ms: int = Field(ge=0, description="Where it begins, in ms")
    end_ms: int = Field(ge=0, description="Where it ends, in ms")
    text: str = Field(description="What was said")
    speaker: str | None = Field(None, description="Who said it, where that is known")


class TranscriptGap(TranscriptFact):
    """A stretch that could not be transcribed."""

    type: ClassVar[str] = "transcript.gap"

    reason: str = Field(description="Why")


class ModelFact(AiFact):
    """Something that happened to an engine's model in one worker process."""

    engine: str = Field(description="The engine")
    model: str = Field("", description="Its model")
    device: str = Field("cpu", description="Where it computes")


class ModelLoaded(ModelFact):
    """A model is in memory."""

    type: ClassVar[str] = "model.loaded"
    aliases: ClassVar[tuple[str, ...]] = ("model_loaded",)

    load_ms: int | None = Field(None, ge=0, description="How long that took, in ms")


class ModelUnloaded(ModelFact):
    """A model was let go."""

    type: ClassVar[str] = "model.unloaded"
    aliases: ClassVar[tuple[str, ...]] = ("model_unloaded",)
