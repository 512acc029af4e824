"""Sound in, answer out: the engines' calls behind the tasks on recordings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.payloads.ai import (
    AudioDenoisingPayload,
    AudioDenoisingResult,
    SpeechRecognitionPayload,
    SpeechRecognitionResult,
)
from meetingtasks.payloads.common import Segment
from meetingtasks.payloads.media import (
    AudioChunk,
    ExtractAudioPayload,
    ExtractAudioResult,
    MediaProbePayload,
    MediaProbeResult,
    MergeAudioPayload,
    MergeAudioResult,
    SplitAudioPayload,
    SplitAudioResult,
    StreamInfo,
    WaveformPayload,
    WaveformResult,
)
from workers.base import storage
from workers.engines.denoise import denoise
from workers.engines.media.decode import decode_to_wav
from workers.engines.media.merge import merge_audio
from workers.engines.media.probe import probe
from workers.engines.media.split import split_audio
from workers.engines.media.waveform import waveform
from workers.inputs import audio_file, layout, local_file, result_key
from workers.speech import speech_engine


def recognise(payload: SpeechRecognitionPayload, ctx: TaskContext) -> SpeechRecognitionResult:
    """Recognise the speech of a whole file, or of the part between offset and duration."""
    ctx.step("fetch", 0, 4)
    with audio_file(payload, ctx) as given, storage().scratch(f"{ctx.task_id}-{ctx.attempt}-asr") as scratch:
        ctx.step("decode", 1, 4)
        end_ms = None if payload.duration_ms is None else payload.offset_ms + payload.duration_ms
        wav = scratch / "decoded.wav"
        decoded = decode_to_wav(
            given, wav, start_ms=payload.offset_ms, end_ms=end_ms, cancelled=ctx.cancelled, pcm=layout(payload)
        )
        _limit(ctx, 60, 2, decoded.duration_ms)
        ctx.step("transcribe", 2, 4)
        heard = speech_engine(engine=payload.engine, language=payload.language).transcribe(
            wav,
            language=payload.language,
            hotwords=payload.hotwords,
            word_timestamps=payload.word_timestamps,
            cancelled=ctx.cancelled,
            progress=lambda share: ctx.progress(50 + 45 * share),
        )
    ctx.step("store", 3, 4)
    shift = payload.offset_ms
    return SpeechRecognitionResult(
        text=heard.text,
        segments=[
            Segment(start_ms=s.start_ms + shift, end_ms=s.end_ms + shift, text=s.text, confidence=s.confidence)
            for s in heard.segments
        ],
        language=heard.language,
        confidence=heard.confidence,
        audio_ms=heard.audio_ms,
        processing_ms=heard.processing_ms,
        no_speech=heard.no_speech,
        engine=heard.engine,
        model=heard.model,
        note=heard.note,
    )


def clean(payload: AudioDenoisingPayload, ctx: TaskContext) -> AudioDenoisingResult:
    """Take noise out of a recording; its length stays the same."""
    if payload.target_format != "wav":
        raise BusinessError(
            f"cleaned audio is written as wav; convert it to {payload.target_format} with a transcode task",
            code="format_not_supported",
        )
    began = SYSTEM.monotonic_s()
    ctx.step("fetch", 0, 5)
    with audio_file(payload, ctx) as given, storage().scratch(f"{ctx.task_id}-{ctx.attempt}-clean") as scratch:
        _limit(ctx, 60, 1, probe(given, pcm=layout(payload)).duration_ms)
        ctx.step("filter", 2, 5)
        asked = payload.noise_floor_db if "noise_floor_db" in payload.model_fields_set else None
        out = scratch / "clean.wav"
        done = denoise(
            given,
            out,
            method=payload.method,
            noise_reduction_db=payload.noise_reduction_db,
            noise_floor_db=asked,
            target_rate=payload.target_rate,
            cancelled=ctx.cancelled,
            pcm=layout(payload),
        )
        ctx.step("store", 4, 5)
        stored = storage().put(out, result_key(ctx, "clean.wav"))
    return AudioDenoisingResult(
        audio_url=stored.url,
        bytes=done.bytes,
        duration_ms=done.duration_ms,
        floor_before_db=done.floor_before_db,
        floor_after_db=done.floor_after_db,
        sha256=done.sha256,
        method=done.method,
        processing_ms=round((SYSTEM.monotonic_s() - began) * 1000),
        engine="denoise",
    )


def probed(payload: MediaProbePayload, ctx: TaskContext) -> MediaProbeResult:
    """Say what a file holds."""
    ctx.step("run", 1, 4)
    info = probe(local_file(payload.source_url), cancelled=ctx.cancelled)
    sounds = [{"kind": "audio", **asdict(stream)} for stream in info.audio]
    films = [{"kind": "video", **asdict(stream)} for stream in info.video]
    streams = [
        StreamInfo(index=number, **{name: value for name, value in stream.items() if name != "rotation"})
        for number, stream in enumerate([*sounds, *films])
    ]
    return MediaProbeResult(
        format=info.format, duration_ms=info.duration_ms, bytes=info.size_bytes, streams=streams, metadata={}
    )


def extracted(payload: ExtractAudioPayload, ctx: TaskContext) -> ExtractAudioResult:
    """Take the sound out of a file as WAV."""
    _only_wav(payload.target_format)
    source = local_file(payload.source_url)
    _limit(ctx, 60, 1, probe(source).duration_ms)
    ctx.step("run", 1, 4)
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / "audio.wav"
        done = decode_to_wav(source, out, rate=payload.sample_rate, channels=payload.channels, cancelled=ctx.cancelled)
        stored = storage().put(out, result_key(ctx, "audio.wav"))
    return ExtractAudioResult(
        audio_url=stored.url, duration_ms=done.duration_ms, bytes=stored.bytes, sha256=stored.sha256
    )


def split(payload: SplitAudioPayload, ctx: TaskContext) -> SplitAudioResult:
    """Cut a recording in its silences into WAV files."""
    source = local_file(payload.source_url)
    duration_ms = probe(source).duration_ms
    _limit(ctx, 60, 1, duration_ms)
    ctx.step("run", 1, 4)
    lengths = {name: getattr(payload, name) for name in ("target_ms", "min_ms", "max_ms", "overlap_ms")}
    chunks = []
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        for written in split_audio(source, scratch, **lengths, cancelled=ctx.cancelled):
            stored = storage().put(written.path, result_key(ctx, written.path.name))
            chunk = written.chunk
            chunks.append(
                AudioChunk(
                    index=chunk.index,
                    start_ms=chunk.start_ms,
                    end_ms=chunk.end_ms,
                    speech_ms=chunk.speech_ms,
                    url=stored.url,
                    sha256=stored.sha256,
                )
            )
    return SplitAudioResult(chunks=chunks, duration_ms=chunks[-1].end_ms if chunks else 0)


def merged(payload: MergeAudioPayload, ctx: TaskContext) -> MergeAudioResult:
    """Join recordings into one WAV file."""
    _only_wav(payload.target_format)
    paths: list[Path] = [local_file(reference) for reference in payload.source_urls]
    _limit(ctx, 60, 1, sum(probe(path).duration_ms for path in paths))
    ctx.step("run", 1, 4)
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / "joined.wav"
        offsets = merge_audio(paths, out, payload.file_order or None, rate=payload.sample_rate, cancelled=ctx.cancelled)
        stored = storage().put(out, result_key(ctx, "joined.wav"))
        duration_ms = probe(out).duration_ms
    return MergeAudioResult(
        audio_url=stored.url,
        offsets=sorted(offsets),
        duration_ms=duration_ms,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )


def measured(payload: WaveformPayload, ctx: TaskContext) -> WaveformResult:
    """Measure the loudest sample of each stretch."""
    source = local_file(payload.source_url)
    info = probe(source)
    _limit(ctx, 60, 1, info.duration_ms)
    ctx.step("run", 1, 4)
    return WaveformResult(peaks=waveform(source, payload.points, cancelled=ctx.cancelled), duration_ms=info.duration_ms)


def _only_wav(target_format: str) -> None:
    if target_format != "wav":
        raise BusinessError(
            f"this task writes wav; convert it to {target_format} with a transcode task", code="format_not_supported"
        )


def _limit(ctx: TaskContext, base_s: int, factor: int, media_ms: int) -> None:
    if ctx.record.timeout_s is None:
        ctx.limit(base_s + factor * media_ms / 1000)
