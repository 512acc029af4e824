"""The media service: probe, cut, join, convert, pictures. Run: ``celery -A workers.media worker``."""

from __future__ import annotations

from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.events.facts.meeting import MeetingEnded
from meetingtasks.payloads.media import (
    ExtractAudioPayload,
    ExtractAudioResult,
    MediaProbePayload,
    MediaProbeResult,
    MergeAudioPayload,
    MergeAudioResult,
    SplitAudioPayload,
    SplitAudioResult,
    ThumbnailPayload,
    ThumbnailResult,
    TranscodePayload,
    TranscodeResult,
    VideoProcessingPayload,
    VideoProcessingResult,
    WaveformPayload,
    WaveformResult,
)
from workers import pictures, sound
from workers.base import declare_rest, make_service
from workers.pipeline import audio_stages
from workers.pipeline.flow import do_stage
from workers.pipeline.types import StagePayload
from workers.reactions import react
from workers.reactions.recordings import stop_recordings

service = make_service("media")
app = service.app


@service.task(MediaProbePayload)
def media_probe(payload: MediaProbePayload, ctx: TaskContext) -> MediaProbeResult:
    """Say what a file holds."""
    return sound.probed(payload, ctx)


@service.task(ExtractAudioPayload)
def extract_audio(payload: ExtractAudioPayload, ctx: TaskContext) -> ExtractAudioResult:
    """Take the sound out of a file."""
    return sound.extracted(payload, ctx)


@service.task(SplitAudioPayload)
def split_audio(payload: SplitAudioPayload, ctx: TaskContext) -> SplitAudioResult:
    """Cut a recording in its silences."""
    return sound.split(payload, ctx)


@service.task(MergeAudioPayload)
def merge_audio(payload: MergeAudioPayload, ctx: TaskContext) -> MergeAudioResult:
    """Join recordings."""
    return sound.merged(payload, ctx)


@service.task(WaveformPayload)
def waveform(payload: WaveformPayload, ctx: TaskContext) -> WaveformResult:
    """Measure the course of loudness."""
    return sound.measured(payload, ctx)


@service.task(ThumbnailPayload)
def thumbnail(payload: ThumbnailPayload, ctx: TaskContext) -> ThumbnailResult:
    """Take a picture out of a video."""
    return pictures.thumbnail_of(payload, ctx)


@service.task(TranscodePayload)
def transcode(payload: TranscodePayload, ctx: TaskContext) -> TranscodeResult:
    """Code media anew."""
    return pictures.transcoded(payload, ctx)


@service.task(VideoProcessingPayload)
def video_processing(payload: VideoProcessingPayload, ctx: TaskContext) -> VideoProcessingResult:
    """Fetch a video, transcode it, store it, tell of it."""
    return pictures.processed(payload, ctx)


@service.task(StagePayload)
def run_ingest(payload: StagePayload, ctx: TaskContext) -> dict[str, Any]:
    """Bring a run's files into one recording."""
    return do_stage(app, payload.run_id, "ingest", ctx, audio_stages.ingest)


@service.task(StagePayload)
def run_split(payload: StagePayload, ctx: TaskContext) -> dict[str, Any]:
    """Plan a run's chunks."""
    return do_stage(app, payload.run_id, "split", ctx, audio_stages.split)


declare_rest(service)
react(service, {MeetingEnded: [stop_recordings(app)]})
