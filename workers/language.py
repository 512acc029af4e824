"""Words in, answer out: the engines' calls behind the tasks on texts."""

from __future__ import annotations

from typing import Any

from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.payloads.ai import (
    ContentGenerationPayload,
    ContentGenerationResult,
    EmotionDetectionPayload,
    EmotionDetectionResult,
    MeetingMinutesPayload,
    MeetingMinutesResult,
    MoodItem,
)
from workers.base import storage
from workers.endpoints import chat_config
from workers.engines.content import generate
from workers.engines.emotion import analyse_audio, analyse_text, analyse_texts
from workers.engines.minutes import make_minutes
from workers.inputs import audio_file, local_file


def mood(payload: EmotionDetectionPayload, ctx: TaskContext) -> EmotionDetectionResult:
    """Find the mood of a text, of several texts or of a voice."""
    began = SYSTEM.monotonic_s()
    ctx.step("analyse", 1, 3)
    items: list[MoodItem] = []
    if payload.texts is not None:
        found = analyse_texts([{"id": item.id, "text": item.text} for item in payload.texts])
        items = [MoodItem(id=one.id, **_mood(one)) for one in found]
        whole = analyse_text("\n".join(item.text for item in payload.texts))
    elif payload.text is not None:
        whole = analyse_text(payload.text)
    elif payload.image_url is not None or payload.image_data is not None:
        raise BusinessError(
            "no model for faces is configured; set MT_FACE_MODEL_PATH to an ONNX emotion model",
            code="engine_not_configured",
            setting="MT_FACE_MODEL_PATH",
        )
    else:
        with audio_file(payload, ctx) as path:
            whole = analyse_audio(path, cancelled=ctx.cancelled)
    return EmotionDetectionResult(
        **_mood(whole),
        modality=whole.modality,
        items=items,
        processing_ms=round((SYSTEM.monotonic_s() - began) * 1000),
        engine=whole.engine,
    )


def _mood(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("emotion", "confidence", "emotions", "sentiment")}


def minutes(payload: MeetingMinutesPayload, ctx: TaskContext) -> MeetingMinutesResult:
    """Write minutes from a transcript file or from segments."""
    ctx.step("plan", 0, 6)
    transcript = _transcript(payload)
    ctx.step("sections", 1, 6)
    written = make_minutes(
        transcript["segments"],
        language=transcript.get("language") or payload.language,
        participants=payload.participants,
        meeting_type=payload.meeting_type,
        meeting_date=payload.meeting_date,
        meeting_time=payload.meeting_time,
        custom_instructions=payload.custom_instructions or "",
        chat=chat_config() if payload.engine in ("auto", "chat") else None,
        coverage=transcript.get("coverage"),
        gaps=transcript.get("gaps", []),
    )
    ctx.step("store", 5, 6)
    stored = storage().put_json(f"results/{ctx.task_id}/minutes.json", written.to_dict())
    return MeetingMinutesResult(
        title=payload.title or written.title,
        participants=list(written.participants),
        summary=written.summary,
        key_points=list(written.key_points),
        decisions=[{"text": d.text, "segment_ids": list(d.segment_ids)} for d in written.decisions],  # type: ignore[misc]
        action_items=[
            {"text": a.text, "owner": a.owner, "due": a.due, "segment_ids": list(a.segment_ids)}  # type: ignore[misc]
            for a in written.action_items
        ],
        responsible_person=written.responsible_person,
        coverage=written.coverage,
        minutes_url=stored.url,
        artifact_type=payload.artifact_type,
        note=written.note,
        engine=written.engine,
    )


def _transcript(payload: MeetingMinutesPayload) -> dict[str, Any]:
    if payload.segments is not None:
        segments = [segment.model_dump(mode="json") for segment in payload.segments]
        return {"segments": [{**s, "id": s["id"] or f"s{n:04d}"} for n, s in enumerate(segments, 1)]}
    local_file(payload.transcript_url or "")
    found = storage().get_json(payload.transcript_url or "")
    if not isinstance(found, dict) or not isinstance(found.get("segments"), list):
        raise BusinessError("the transcript file has no list of segments", code="transcript_invalid")
    return found


def content(payload: ContentGenerationPayload, ctx: TaskContext) -> ContentGenerationResult:
    """Write a text on a topic, or fill a template."""
    ctx.step("generate", 1, 4)
    made = generate(
        payload.topic,
        payload.style,
        payload.length,
        template=payload.template,
        inputs=payload.inputs,
        language=payload.language,
        chat=chat_config() if payload.engine in ("auto", "chat") else None,
    )
    ctx.step("store", 3, 4)
    return ContentGenerationResult(content=made.content, tokens=None, engine=made.engine, note=made.note)
