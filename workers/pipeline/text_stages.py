"""The stages that work on words: the transcript put together, moods, minutes, and the last word to the clients."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.errors import TransientError
from meetingtasks.events.facts.meeting import MeetingMinutesReady
from workers.endpoints import chat_config
from workers.engines.emotion import analyse_texts
from workers.engines.minutes import make_minutes, minutes_markdown
from workers.pipeline.run import Run

#: the least part of the detected speech that must be transcribed for a run to be of use
LEAST_COVERAGE = 0.90
BATCH = 50


def compose_transcript(run: Run) -> dict[str, Any]:
    """Join the parts in order; gaps are marked. TransientError when too much of the speech is missing."""
    parts = run.runs.parts(run.id, "transcribe")
    segments: list[dict[str, Any]] = []
    for index in sorted(parts):
        segments += parts[index].get("segments", [])
    segments = [{"id": f"s{number:04d}", **segment} for number, segment in enumerate(segments, 1)]
    gaps = _gaps(run, parts)
    chunks = run.storage.get_json(run.facts("split")["chunks_url"])
    coverage = coverage_of(chunks, parts, run.facts("ingest").get("damaged", []))
    if coverage < LEAST_COVERAGE:
        raise TransientError(
            f"only {coverage:.0%} of the speech could be transcribed; rerun it from the stage transcribe",
            code="coverage_too_low",
            coverage=coverage,
            gaps=gaps,
        )
    engines = [part for part in parts.values() if "engine" in part]
    about = {name: engines[0][name] for name in ("engine", "model", "note", "language")} if engines else {}
    facts = {
        **about,
        "coverage": coverage,
        "partial": bool(gaps),
        "no_speech": not segments,
        "batch_count": -(-len(segments) // BATCH),
        "segment_count": len(segments),
    }
    transcript = {**facts, "duration_ms": run.facts("ingest")["duration_ms"], "segments": segments, "gaps": gaps}
    stored = run.storage.put_json(run.key("transcript.json"), transcript)
    return {**facts, "transcript_url": stored.url}


def coverage_of(chunks: list[dict[str, Any]], parts: dict[int, dict[str, Any]], damaged: list[dict[str, int]]) -> float:
    """Return transcribed milliseconds of speech by detected ones; 1.0 when nobody spoke.

    What was detected is the plan's word, since a part that could not be done says nothing of its speech.
    """
    detected = sum(chunk["speech_ms"] for chunk in chunks)
    heard = sum(chunks[index]["speech_ms"] for index, part in parts.items() if part["state"] == "done")
    heard -= sum(gap["end_ms"] - gap["start_ms"] for gap in damaged)
    return 1.0 if detected == 0 else round(max(0, heard) / detected, 4)


def _gaps(run: Run, parts: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    chunks = run.storage.get_json(run.facts("split")["chunks_url"])
    gaps = [
        {"start_ms": chunks[i]["start_ms"], "end_ms": chunks[i]["end_ms"], "reason": part["reason"]}
        for i, part in parts.items()
        if part["state"] == "gap"
    ]
    gaps += [{**gap, "reason": "the recording is damaged here"} for gap in run.facts("ingest").get("damaged", [])]
    return sorted(gaps, key=lambda gap: int(gap["start_ms"]))


def emotion_batch(run: Run, ctx: TaskContext, index: int) -> dict[str, Any]:
    """Find the mood of one batch of segments."""
    ctx.check()
    segments = _segments(run)[index * BATCH : (index + 1) * BATCH]
    moods = analyse_texts([{"id": segment["id"], "text": segment["text"]} for segment in segments])
    return {"items": [mood_fields(mood) for mood in moods]}


def mood_fields(mood: Any) -> dict[str, Any]:
    """Return the fields of a mood that are kept with a segment."""
    return {name: getattr(mood, name) for name in ("id", "emotion", "confidence", "sentiment")}


def compose_emotion(run: Run) -> dict[str, Any]:
    """Put the moods of all segments together."""
    items = [item for part in run.runs.parts(run.id, "emotion").values() for item in part.get("items", [])]
    counted = Counter(item["emotion"] for item in items)
    sentiment = round(sum(item["sentiment"] for item in items) / len(items), 4) if items else 0.0
    overall = {"overall": counted.most_common(1)[0][0] if counted else "neutral", "sentiment": sentiment}
    stored = run.storage.put_json(run.key("emotion.json"), {**overall, "counts": counted, "items": items})
    return {**overall, "emotion_url": stored.url}


def write_minutes(run: Run, ctx: TaskContext) -> dict[str, Any]:
    """Write the minutes from the transcript."""
    ctx.check()
    spec, facts = run.spec, run.facts("transcribe")
    transcript = run.storage.get_json(facts["transcript_url"])
    minutes = make_minutes(
        transcript["segments"],
        language=facts.get("language") or spec.get("output_language") or "en",
        participants=spec.get("participants", []),
        meeting_type=spec.get("meeting_type", "weekly_sync"),
        meeting_date=spec.get("meeting_date"),
        meeting_time=spec.get("meeting_time"),
        coverage=facts["coverage"],
        gaps=transcript["gaps"],
        chat=chat_config(),
    )
    if spec.get("title"):
        minutes = replace(minutes, title=spec["title"])
    version = int(spec.get("minutes_version", 1))
    as_json = run.storage.put_json(run.key("minutes.json"), {**minutes.to_dict(), "version": version})
    as_text = run.storage.put_bytes(minutes_markdown(minutes).encode(), run.key("minutes.md"))
    return {"minutes_url": as_json.url, "minutes_md_url": as_text.url, "version": version, "engine": minutes.engine}


def notify(run: Run, ctx: TaskContext) -> dict[str, Any]:
    """Say that the minutes are ready; the facts of this last stage are the run's outcome."""
    ctx.check()
    speech, clean = run.facts("transcribe"), run.facts("denoise")
    outcome = {
        "pipeline_id": run.id,
        "transcript_url": speech["transcript_url"],
        "minutes_url": run.facts("minutes")["minutes_url"],
        "minutes_md_url": run.facts("minutes")["minutes_md_url"],
        "emotion_url": run.facts("emotion").get("emotion_url"),
        "audio_url": clean["audio_url"],
        "coverage": speech["coverage"],
        "partial": speech["partial"],
        "no_speech": speech["no_speech"],
        "noise_floor_before_db": clean["noise_floor_before_db"],
        "noise_floor_after_db": clean["noise_floor_after_db"],
        "engine": speech.get("engine"),
        "duration_ms": run.facts("ingest")["duration_ms"],
    }
    about = {name: outcome[name] for name in ("minutes_url", "coverage", "partial")}
    run.tell(MeetingMinutesReady, "minutes ready", **about)
    return outcome


def _segments(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.storage.get_json(run.facts("transcribe")["transcript_url"])["segments"]
    return found
