"""Tells the fleet when a task of the AI service has its result, with the few values that are worth showing at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from celery.signals import task_success
from redis.exceptions import RedisError

from meetingtasks.events.facts.ai import (
    AnalysisFact,
    AudioDenoisingCompleted,
    EmotionDetectionCompleted,
    SpeechRecognitionCompleted,
    SynthesisDetectionCompleted,
    VideoEnhancementCompleted,
)
from meetingtasks.store.tasks import TaskStore
from meetingtasks.task_types import CATALOGUE
from workers.process_events import event_log, tell

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
            _tell(task_type.name, sender.request.id, result)

    task_success.connect(told, weak=False)


def _tell(task_type: str, task_id: str, result: Mapping[str, Any]) -> None:
    fact, names = FACTS[task_type]
    summary = {name: result[name] for name in names if result.get(name) is not None}
    if isinstance(summary.get("text"), str):
        summary["text"] = summary["text"][:LONGEST_TEXT]
    reference = result.get("audio_url") or result.get("video_url")
    told = fact(task_id=task_id, meeting_id=_meeting_of(task_id), result_ref=reference, summary=summary)
    tell(told, once=f"{task_id} completed")


def _meeting_of(task_id: str) -> int | str | None:
    try:
        stored = TaskStore(event_log().client).field(task_id, "meeting_id")
    except RedisError:
        return None  # then the event cannot be told either, which `tell` logs
    return json.loads(stored) if stored else None
