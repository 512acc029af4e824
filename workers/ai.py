"""The AI service: speech, moods, cleaned audio, pictures, minutes, texts. Run: ``celery -A workers.ai worker``."""

from __future__ import annotations

from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.events.facts.media import StreamProcessed
from meetingtasks.payloads.ai import (
    AudioDenoisingPayload,
    AudioDenoisingResult,
    ContentGenerationPayload,
    ContentGenerationResult,
    EmotionDetectionPayload,
    EmotionDetectionResult,
    MeetingMinutesPayload,
    MeetingMinutesResult,
    SpeechRecognitionPayload,
    SpeechRecognitionResult,
    VideoEnhancementPayload,
    VideoEnhancementResult,
)
from workers import language, pictures, sound
from workers.base import declare_rest, make_service
from workers.completions import tell_of_results
from workers.pipeline import audio_stages, text_stages
from workers.pipeline.flow import do_part, do_stage
from workers.pipeline.types import PartPayload, StagePayload
from workers.reactions import react
from workers.reactions.streams import recognise_speech

service = make_service("ai")
app = service.app


@service.task(SpeechRecognitionPayload)
def speech_recognition(payload: SpeechRecognitionPayload, ctx: TaskContext) -> SpeechRecognitionResult:
    """Recognise speech."""
    return sound.recognise(payload, ctx)


@service.task(AudioDenoisingPayload)
def audio_denoising(payload: AudioDenoisingPayload, ctx: TaskContext) -> AudioDenoisingResult:
    """Clean a recording."""
    return sound.clean(payload, ctx)


@service.task(EmotionDetectionPayload)
def emotion_detection(payload: EmotionDetectionPayload, ctx: TaskContext) -> EmotionDetectionResult:
    """Find the mood of a text or voice."""
    return language.mood(payload, ctx)


@service.task(MeetingMinutesPayload)
def meeting_minutes(payload: MeetingMinutesPayload, ctx: TaskContext) -> MeetingMinutesResult:
    """Write minutes from a transcript."""
    return language.minutes(payload, ctx)


@service.task(ContentGenerationPayload)
def content_generation(payload: ContentGenerationPayload, ctx: TaskContext) -> ContentGenerationResult:
    """Write a text."""
    return language.content(payload, ctx)


@service.task(VideoEnhancementPayload)
def video_enhancement(payload: VideoEnhancementPayload, ctx: TaskContext) -> VideoEnhancementResult:
    """Enhance a video."""
    return pictures.enhanced(payload, ctx)


@service.task(StagePayload)
def run_denoise(payload: StagePayload, ctx: TaskContext) -> dict[str, Any]:
    """Clean a run's recording."""
    return do_stage(app, payload.run_id, "denoise", ctx, audio_stages.clean)


@service.task(PartPayload)
def run_transcribe(payload: PartPayload, ctx: TaskContext) -> Any:
    """Transcribe one chunk of a run's recording."""
    index = payload.index
    return do_part(payload.run_id, "transcribe", index, ctx, lambda run, c: audio_stages.transcribe(run, c, index))


@service.task(PartPayload)
def run_emotion(payload: PartPayload, ctx: TaskContext) -> Any:
    """Find the moods of one batch of a run's segments."""
    index = payload.index
    return do_part(payload.run_id, "emotion", index, ctx, lambda run, c: text_stages.emotion_batch(run, c, index))


@service.task(StagePayload)
def run_minutes(payload: StagePayload, ctx: TaskContext) -> dict[str, Any]:
    """Write a run's minutes."""
    return do_stage(app, payload.run_id, "minutes", ctx, text_stages.write_minutes)


declare_rest(service)
tell_of_results(app)
react(service, {StreamProcessed: [recognise_speech(app)]})
