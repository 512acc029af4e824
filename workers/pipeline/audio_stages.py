"""The stages that work on sound: ingest, denoise, split and the transcription of one chunk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from meetingtasks.context import TaskContext
from workers.engines.denoise import denoise
from workers.engines.media.decode import decode_to_wav
from workers.engines.media.info import Gap, MediaInfo
from workers.engines.media.merge import merge_audio
from workers.engines.media.probe import probe
from workers.engines.media.split import measure_speech, plan_chunks
from workers.inputs import local_file
from workers.pipeline.run import Run
from workers.speech import speech_engine

RATE_HZ = 16_000
#: decoded 16-bit mono samples of one second, three times: source, cleaned copy, and scratch of both
DISK_BYTES_PER_S = 3 * 2 * RATE_HZ
#: a long recording is cut about every half minute, a short one into so many chunks that several workers share it
TARGET_MS, LEAST_TARGET_MS, WANTED_CHUNKS = 30_000, 6_000, 8


def ingest(run: Run, ctx: TaskContext) -> dict[str, Any]:
    """Bring the files into one 16 kHz mono recording, in the order asked for."""
    paths = [local_file(reference) for reference in run.spec["audio_files"]]
    infos = [probe(path) for path in paths]
    duration_ms = sum(info.duration_ms or 0 for info in infos)
    run.storage.require_free(duration_ms * DISK_BYTES_PER_S // 1000)
    ctx.limit(120 + duration_ms / 1000)
    gaps: list[Gap] = []
    stop = run.stopper(ctx.cancelled)
    with run.storage.scratch(f"{run.id}-ingest-{ctx.attempt}") as scratch:
        out = scratch / "source.wav"
        if len(paths) == 1:
            duration_ms = decode_to_wav(paths[0], out, rate=RATE_HZ, cancelled=stop, on_gap=gaps.append).duration_ms
            offsets = [0]
        else:
            order = run.spec.get("file_order") or None
            offsets = merge_audio(paths, out, order, rate=RATE_HZ, cancelled=stop, on_gap=gaps.append)
            duration_ms = probe(out).duration_ms or duration_ms
        stored = run.storage.put(out, run.key("source.wav"))
    return {
        "audio_url": stored.url,
        "duration_ms": duration_ms,
        "files": [
            _file(run, place, path, info, offset)
            for place, (path, info, offset) in enumerate(zip(paths, infos, offsets, strict=True))
        ],
        "damaged": [{"start_ms": gap.start_ms, "end_ms": gap.end_ms} for gap in gaps],
    }


def _file(run: Run, place: int, path: Path, info: MediaInfo, offset_ms: int) -> dict[str, Any]:
    names = run.spec.get("original_filenames") or []
    name = names[place] if place < len(names) else path.name
    return {"name": name, "offset_ms": offset_ms, "duration_ms": info.duration_ms, "format": info.format}


def clean(run: Run, ctx: TaskContext) -> dict[str, Any]:
    """Take the noise out of the recording; its length stays the same to the sample."""
    source = run.file("ingest", "audio_url")
    ctx.limit(120 + run.facts("ingest")["duration_ms"] / 1000)
    with run.storage.scratch(f"{run.id}-denoise-{ctx.attempt}") as scratch:
        out = scratch / "clean.wav"
        done = denoise(source, out, target_rate=RATE_HZ, cancelled=run.stopper(ctx.cancelled))
        stored = run.storage.put(out, run.key("clean.wav"))
    return {
        "audio_url": stored.url,
        "noise_floor_before_db": done.floor_before_db,
        "noise_floor_after_db": done.floor_after_db,
        "method": done.method,
        "sha256": stored.sha256,
    }


def split(run: Run, ctx: TaskContext) -> dict[str, Any]:
    """Plan the chunks: cut in silences, covering the recording without a hole."""
    ctx.limit(120 + run.facts("ingest")["duration_ms"] / 1000)
    # zeros stand where the recording is damaged; nobody may take them for silence
    lost = [(gap["start_ms"], gap["end_ms"]) for gap in run.facts("ingest")["damaged"]]
    stop = run.stopper(ctx.cancelled)
    speech = measure_speech(run.file("denoise", "audio_url"), cancelled=stop, lost=lost)
    target_ms = min(TARGET_MS, max(LEAST_TARGET_MS, speech.duration_ms // WANTED_CHUNKS))
    chunks = plan_chunks(speech.duration_ms, speech.spans, target_ms=target_ms) if speech.duration_ms else []
    stored = run.storage.put_json(run.key("chunks.json"), [asdict(chunk) for chunk in chunks])
    return {"chunks_url": stored.url, "chunk_count": len(chunks), "speech_ms": speech.speech_ms}


def transcribe(run: Run, ctx: TaskContext, index: int) -> dict[str, Any]:
    """Transcribe one chunk; words that belong to a neighbour's time are left to it."""
    chunk = run.storage.get_json(run.facts("split")["chunks_url"])[index]
    about = {"start_ms": chunk["start_ms"], "end_ms": chunk["end_ms"], "speech_ms": chunk["speech_ms"]}
    if chunk["speech_ms"] == 0:
        return {**about, "segments": []}
    engine = speech_engine(language=run.spec.get("asr_language", "auto"))
    heard = engine.transcribe(
        run.file("denoise", "audio_url"),
        start_ms=chunk["context_start_ms"],
        end_ms=chunk["context_end_ms"],
        language=run.spec.get("asr_language", "auto"),
        hotwords=run.spec.get("hotwords", ()),
        word_timestamps=True,
        cancelled=run.stopper(ctx.cancelled),
    )
    segments = [kept for s in heard.segments if (kept := within(asdict(s), chunk["start_ms"], chunk["end_ms"]))]
    engine_facts = {"engine": heard.engine, "model": heard.model, "note": heard.note, "language": heard.language}
    return {**about, **engine_facts, "segments": segments, "processing_ms": heard.processing_ms}


def within(segment: dict[str, Any], start_ms: int, end_ms: int) -> dict[str, Any] | None:
    """Cut a segment to the words whose middle lies in [start_ms, end_ms); None when none does."""
    words = segment.get("words")
    if not words:
        middle = (segment["start_ms"] + segment["end_ms"]) / 2
        whole = {name: segment[name] for name in ("start_ms", "end_ms", "text", "confidence")}
        return whole if start_ms <= middle < end_ms else None
    inside = [word for word in words if start_ms <= (word["start_ms"] + word["end_ms"]) / 2 < end_ms]
    if not inside:
        return None
    return {
        "start_ms": inside[0]["start_ms"],
        "end_ms": inside[-1]["end_ms"],
        "text": " ".join(word["text"] for word in inside),
        "confidence": round(sum(word["confidence"] for word in inside) / len(inside), 4),
    }
