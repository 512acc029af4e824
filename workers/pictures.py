"""Video in, answer out: the engines' calls behind the tasks on pictures."""

from __future__ import annotations

from pathlib import Path

from meetingtasks.clock import SYSTEM
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.events.facts.media import TranscodeCompleted
from meetingtasks.payloads.ai import VideoEnhancementPayload, VideoEnhancementResult
from meetingtasks.payloads.media import (
    ThumbnailPayload,
    ThumbnailResult,
    TranscodePayload,
    TranscodeResult,
    VideoProcessingPayload,
    VideoProcessingResult,
)
from workers.base import storage
from workers.engines.enhance import enhance
from workers.engines.media.probe import probe
from workers.engines.media.thumbnail import thumbnail
from workers.engines.media.transcode import transcode
from workers.inputs import local_file, result_key
from workers.process_events import tell

_HEIGHTS = {"360p": 360, "480p": 480, "720p": 720, "1080p": 1080}


def thumbnail_of(payload: ThumbnailPayload, ctx: TaskContext) -> ThumbnailResult:
    """Take one picture out of a video."""
    source = local_file(payload.source_url)
    ctx.step("run", 1, 4)
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / f"thumbnail.{payload.format}"
        made = thumbnail(source, out, time_ms=payload.time_ms, max_width=payload.width, max_height=3840)
        stored = storage().put(out, result_key(ctx, out.name))
    return ThumbnailResult(
        thumbnail_url=stored.url, width=made.width, height=made.height, bytes=stored.bytes, sha256=stored.sha256
    )


def enhanced(payload: VideoEnhancementPayload, ctx: TaskContext) -> VideoEnhancementResult:
    """Enhance a video."""
    began = SYSTEM.monotonic_s()
    source = local_file(payload.video_url)
    ctx.step("probe", 1, 5)
    _limit(ctx, 120, 6, source)
    ctx.step("enhance", 2, 5)
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / f"enhanced.{payload.format}"
        done = enhance(
            source,
            out,
            operations=payload.operations,
            target_width=payload.target_width,
            target_height=payload.target_height,
            format=payload.format,
            fps=payload.fps,
            progress=lambda share: ctx.progress(40 + 40 * share),
            cancelled=ctx.cancelled,
        )
        ctx.step("store", 4, 5)
        stored = storage().put(out, result_key(ctx, out.name))
    return VideoEnhancementResult(
        video_url=stored.url,
        width=done.width,
        height=done.height,
        fps=done.fps,
        bytes=stored.bytes,
        duration_ms=done.duration_ms,
        operations=list(payload.operations),
        sha256=stored.sha256,
        processing_ms=round((SYSTEM.monotonic_s() - began) * 1000),
        engine="pyav",
    )


def transcoded(payload: TranscodePayload, ctx: TaskContext) -> TranscodeResult:
    """Code media anew."""
    if payload.source_url is None:
        raise BusinessError("files by file_id need the file service; give source_url", code="engine_not_configured")
    source = local_file(payload.source_url)
    _limit(ctx, 120, 4, source)
    width, height = (int(side) for side in payload.resolution.split("x")) if payload.resolution else (None, None)
    ctx.step("encode", 2, 5)
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / f"output.{payload.format}"
        info = transcode(
            source,
            out,
            format=payload.format,
            width=width,
            height=height,
            video_codec=payload.video_codec,
            audio_codec=payload.audio_codec,
            quality=payload.quality,
            bitrate=payload.bitrate,
            frame_rate=payload.frame_rate,
            filters=payload.filters,
            progress=lambda share: ctx.progress(40 + 40 * share),
            cancelled=ctx.cancelled,
        )
        ctx.step("store", 4, 5)
        stored = storage().put(out, result_key(ctx, out.name))
    video = info.video[0] if info.video else None
    return TranscodeResult(
        output_url=stored.url,
        format=payload.format,
        width=video.width if video else None,
        height=video.height if video else None,
        duration_ms=info.duration_ms,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )


def processed(payload: VideoProcessingPayload, ctx: TaskContext) -> VideoProcessingResult:
    """Fetch a video, transcode it to a profile, store it with a thumbnail, and tell of it."""
    steps = ("下载", "转码", "上传", "通知")
    ctx.step(steps[0], 0, 4, "正在下载...")
    source = local_file(payload.source_url)
    info = probe(source)
    _limit(ctx, 120, 4, source)
    ctx.step(steps[1], 1, 4, "正在转码...")
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        out = scratch / "output.mp4"
        made = transcode(
            source,
            out,
            format="mp4",
            height=_HEIGHTS.get(payload.profile),
            progress=lambda share: ctx.progress(25 + 25 * share),
            cancelled=ctx.cancelled,
        )
        ctx.step(steps[2], 2, 4, "正在上传...")
        stored = storage().put(out, _destination(payload, ctx))
        picture = None
        if info.has_video:
            thumbnail(out, scratch / "thumbnail.jpeg", time_ms=made.duration_ms // 10, max_width=320)
            picture = storage().put(scratch / "thumbnail.jpeg", result_key(ctx, "thumbnail.jpeg")).url
    ctx.step(steps[3], 3, 4, "正在通知...")
    if ctx.store is not None:
        about = {"task_id": ctx.task_id, "meeting_id": ctx.record.meeting_id}
        tell(TranscodeCompleted(**about, format="mp4", output_url=stored.url), once=f"{ctx.task_id} transcoded")
    return VideoProcessingResult(
        output_url=stored.url,
        thumbnail_url=picture,
        duration_ms=made.duration_ms,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )


def _destination(payload: VideoProcessingPayload, ctx: TaskContext) -> str:
    if payload.destination is None:
        return result_key(ctx, "output.mp4")
    if not payload.destination.startswith("file://"):
        raise BusinessError("only file:// destinations under the storage root are configured", code="wrong_destination")
    path = Path(payload.destination.removeprefix("file://"))
    return str(path.relative_to(storage().root)) if path.is_relative_to(storage().root) else str(path)


def _limit(ctx: TaskContext, base_s: int, factor: int, source: Path) -> None:
    if ctx.record.timeout_s is None:
        ctx.limit(base_s + factor * probe(source).duration_ms / 1000)
