"""The look at a file before any work: whether it is media, of what kind, and small enough."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import av
import av.error
from av.stream import Disposition

from workers.engines.errors import InvalidInput
from workers.engines.media.guard import CancelPoll, border, named
from workers.engines.media.info import AudioStream, MediaInfo, VideoStream
from workers.engines.media.limits import DEFAULT_LIMITS, Limits, PcmLayout
from workers.engines.media.source import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from av.audio.stream import AudioStream as AvAudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream as AvVideoStream

_PACKETS_TO_FIRST_PICTURE = 64


def probe(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    pcm: PcmLayout | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MediaInfo:
    """Read the facts about ``path`` from its headers and its first picture.

    Files that do not say how long they are (browser recordings) are read through once to measure it.
    Raises ``InvalidInput`` with code ``media_not_found``, ``media_too_large`` or ``media_invalid`` and the cause.
    """
    with open_source(path, limits, pcm=pcm) as source:
        info = describe(source, limits)
        if not info.duration_ms:
            measured_ms = _measure_ms(source, CancelPoll(cancelled))
            _check_duration(named(path), measured_ms, limits)
            source.container.seek(0)
            info = replace(info, duration_ms=measured_ms)
        if info.video:
            turned = replace(info.video[0], rotation=_rotation(source, limits))
            info = replace(info, video=(turned, *info.video[1:]))
        return info


def describe(source: Source, limits: Limits) -> MediaInfo:
    """Return what the headers of an open file say, checked against ``limits``; ``duration_ms`` is 0 if they do not.

    Raises ``InvalidInput`` (``media_too_large``, or ``media_invalid`` when there is neither sound nor picture).
    """
    name = named(source.path)
    container = source.container
    _check(name, "streams", len(container.streams), limits.max_streams)
    audio = tuple(_audio(stream) for stream in container.streams.audio if _decodable(stream))
    video = tuple(_video(stream) for stream in pictures(container))
    for track in audio:
        _check(name, "channels", track.channels, limits.max_channels)
        _check(name, "Hz", track.sample_rate, limits.max_sample_rate)
    for picture in video:
        _check(name, "pixels a frame", picture.width * picture.height, limits.max_pixels)
        _check(name, "pixels a side", max(picture.width, picture.height), limits.max_side)
    if not audio and not video:
        raise InvalidInput(f"{name}: no audio or video stream that can be decoded within the limits")
    duration_ms = round((container.duration or 0) * 1000 / av.time_base)
    _check_duration(name, duration_ms, limits)
    return MediaInfo(source.format, max(duration_ms, 0), source.size_bytes, audio, video)


def pictures(container: InputContainer) -> list[AvVideoStream]:
    """Return the video streams of a file, without cover pictures of sound files and without unknown codecs.

    A picture beyond ``max_pixels`` that FFmpeg meets while it opens the file leaves its stream without a size.
    """
    return [
        stream
        for stream in container.streams.video
        if _decodable(stream)
        and stream.codec_context.width > 0
        and stream.codec_context.height > 0
        and not stream.disposition & Disposition.attached_pic
    ]


def _decodable(stream: AvAudioStream | AvVideoStream) -> bool:
    # A codec that this FFmpeg build does not know has no context, whatever the type annotation says.
    return stream.codec_context is not None


def _audio(stream: AvAudioStream) -> AudioStream:
    context = stream.codec_context
    return AudioStream(context.codec.canonical_name, context.sample_rate, context.layout.nb_channels)


def _video(stream: AvVideoStream) -> VideoStream:
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    return VideoStream(
        context.codec.canonical_name,
        context.width,
        context.height,
        round(float(rate), 3) if rate else 0.0,
        0,
    )


def _check(name: str, what: str, value: int, limit: int) -> None:
    if value > limit:
        raise InvalidInput(f"{name}: {value} {what}, more than the allowed {limit}", code="media_too_large")


def _check_duration(name: str, duration_ms: int, limits: Limits) -> None:
    if duration_ms > limits.max_duration_ms:
        raise InvalidInput(
            f"{name}: lasts {duration_ms / 1000:.0f} s, more than the allowed {limits.max_duration_ms / 1000:.0f} s",
            code="media_too_large",
        )


def _rotation(source: Source, limits: Limits) -> int:
    """Degrees by which players turn the first picture track; 0 where its first packets give no picture.

    FFmpeg hands the display matrix out with a decoded picture only. An undecodable start is not this function's
    business: who wants pictures will meet it.
    """
    stream = pictures(source.container)[0]
    stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
    packets = islice(source.container.demux(stream), _PACKETS_TO_FIRST_PICTURE)
    with suppress(av.error.FFmpegError):
        for packet in packets:
            for frame in packet.decode():
                return round(frame.rotation) % 360
    return 0


def _measure_ms(source: Source, poll: CancelPoll) -> int:
    first_s, last_s = float("inf"), float("-inf")
    with border(source.path, "reading"):
        for packet in source.container.demux():
            poll()
            if packet.pts is None or packet.time_base is None:
                continue
            start_s = float(packet.pts * packet.time_base)
            first_s = min(first_s, start_s)
            last_s = max(last_s, start_s + float((packet.duration or 0) * packet.time_base))
    return max(round((last_s - first_s) * 1000), 0) if last_s > first_s else 0
