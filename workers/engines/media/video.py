"""Pictures out of any media file, with the time at which each is shown.

A damaged picture is not silence: decoders conceal it from its neighbours, and a few bad frames are normal in recordings
of calls. So damage is reported to whoever listens, and refused only where pictures are missing altogether: none can be
decoded, or the file ends before the length that it claims.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import av.error

from workers.engines.errors import InvalidInput
from workers.engines.media.guard import CancelPoll, border, named
from workers.engines.media.info import Gap
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.probe import describe, pictures
from workers.engines.media.source import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from av import VideoFrame
    from av.video.stream import VideoStream

FALLBACK_FPS = 25.0
"""For files that do not say how many pictures a second they have and whose pictures carry no time."""

# A video that ends this much before its claimed length was cut off.
_TRUNCATED_S = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame and when it is shown, in seconds from the start of the file (sound included)."""

    time_s: float
    frame: VideoFrame


def open_video(
    path: Path,
    *,
    start_ms: int = 0,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> Generator[Picture]:
    """Decode the first picture track of ``path`` from the last key frame before ``start_ms`` on, in order of showing.

    The file is opened and checked before this function returns. ``on_gap`` is told of damaged and missing parts;
    without it a missing end raises. Raises ``InvalidInput`` (``media_not_found``, ``media_too_large``,
    ``media_invalid`` with "no video stream" and so on), ``OutOfResource``, ``Cancelled``.
    """
    opened = _stream(path, start_ms, limits, CancelPoll(cancelled), on_gap)
    next(opened)  # opens and checks the file; see _stream
    return _without_sign(opened)


def _without_sign(opened: Generator[Picture | None]) -> Generator[Picture]:
    try:
        for picture in opened:
            if picture is not None:
                yield picture
    finally:
        opened.close()


def _stream(
    path: Path, start_ms: int, limits: Limits, poll: CancelPoll, on_gap: Callable[[Gap], None] | None
) -> Generator[Picture | None]:
    """Open the file, yield ``None`` as the sign that it is good, then the pictures; closes the file however it ends."""
    with open_source(path, limits) as source:
        describe(source, limits)
        track = _picture_track(source, limits)
        yield None
        with border(path, "decoding"):
            origin_s = (source.container.start_time or 0) / av.time_base
            if start_ms and track.time_base:
                source.container.seek(round((origin_s + start_ms / 1000) / track.time_base), stream=track)
            yield from _pictures(source, track, origin_s, poll, on_gap)


def _picture_track(source: Source, limits: Limits) -> VideoStream:
    tracks = pictures(source.container)
    if not tracks:
        raise InvalidInput(f"{named(source.path)}: no video stream")
    tracks[0].codec_context.options = {"max_pixels": str(limits.max_pixels)}
    tracks[0].thread_type = "AUTO"
    return tracks[0]


def _pictures(
    source: Source, track: VideoStream, origin_s: float, poll: CancelPoll, on_gap: Callable[[Gap], None] | None
) -> Iterator[Picture]:
    step_s = 1 / float(track.average_rate or FALLBACK_FPS)
    next_s: float | None = None
    for packet in source.container.demux(track):
        poll()
        damaged = packet.is_corrupt
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:  # decoders answer damage with many codes, not only "invalid data"
            if error.errno == errno.ENOMEM:
                raise
            frames, damaged = [], True
        if damaged and on_gap is not None:
            on_gap(_damage(next_s or 0.0, step_s))
        for frame in frames:
            time_s = next_s or 0.0
            if frame.pts is not None and frame.time_base is not None:
                time_s = float(frame.pts * frame.time_base) - origin_s
            next_s = time_s + step_s
            yield Picture(time_s, frame)
    if next_s is None:
        raise InvalidInput(f"{named(source.path)}: not one picture of its video stream can be decoded")
    _check_end(source, track, next_s, on_gap)


def _damage(at_s: float, step_s: float) -> Gap:
    return Gap(round(at_s * 1000), round((at_s + step_s) * 1000), "damaged")


def _check_end(source: Source, track: VideoStream, end_s: float, on_gap: Callable[[Gap], None] | None) -> None:
    """Report pictures that are missing at the end; only MP4 says how long its picture track alone is."""
    if source.format != "mov" or not track.duration or track.time_base is None:
        return
    claimed_s = float(track.duration * track.time_base)
    if claimed_s - end_s <= _TRUNCATED_S:
        return
    if on_gap is None:
        raise InvalidInput(
            f"{named(source.path)}: truncated, pictures are missing from {end_s:.2f} s to {claimed_s:.2f} s"
        )
    on_gap(Gap(round(end_s * 1000), round(claimed_s * 1000), "truncated"))
