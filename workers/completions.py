"""Tells the fleet when a task of the AI service has its result, with the few values that are worth showing at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from celery.signals import task_success

from meetingtasks.events.facts.ai import (
    AnalysisFact,
    AudioDenoisingCompleted,
    EmotionDetectionCompleted,
    SpeechRecognitionCompleted,
    SynthesisDetectionCompleted,
    VideoEnhancementCompleted,
)
from meetingtasks.submission import RECORD_HEADER
from meetingtasks.task_types import CATALOGUE
from workers.process_events import tell

#: task type -> the fact, and the values of the result that it carries
FACTS: Final[Mapping[str, tuple[type[AnalysisFact], tuple[str, ...]]]] = {
    "speech_recognition": (SpeechRecognitionCompleted, ("text", "language", "confidence", "no_speech")),
    "emotion_detection": (EmotionDetectionCompleted, ("emotion", "confidence", "sentiment")),
    "audio_denoising": (AudioDenoisingCompleted, ("audio_url", "duration_ms")),
    "video_enhancement": (VideoEnhancementCompleted, ("video_url", "duration_ms")),
    "synthesis_detection": (SynthesisDetectionCompleted, ("is_synthetic", "confidence", "score")),
}
#: of a longer text only the beginning is told; the record has all of it
LONGEST_TEXT: Final = 500


def tell_of_results(app: Celery) -> None:
    """Tell of each result once it stands in the task's record."""

    def told(sender: Any, result: Any, **_: Any) -> None:
        task_type = CATALOGUE.find(sender.name)
        if sender.app is app and task_type is not None and task_type.name in FACTS and isinstance(result, Mapping):
            _tell(task_type.name, sender.request, result)

    task_success.connect(told, weak=False)


def _tell(task_type: str, request: Any, result: Mapping[str, Any]) -> None:
    fact, names = FACTS[task_type]
    summary = {name: result[name] for name in names if result.get(name) is not None}
    if isinstance(summary.get("text"), str):
        summary["text"] = summary["text"][:LONGEST_TEXT]
    brought = getattr(request, RECORD_HEADER, None) or (request.headers or {}).get(RECORD_HEADER) or {}
    about = {"task_id": request.id, "meeting_id": brought.get("meeting_id")}
    reference = result.get("audio_url") or result.get("video_url")
    tell(fact(**about, result_ref=reference, summary=summary), once=f"{request.id} completed")
