"""Media in another format: decoded, turned upright, scaled, filtered and encoded anew, pictures and sound in step."""

from __future__ import annotations

import functools
import heapq
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from workers.engines.errors import EngineError, InvalidInput
from workers.engines.media.decode import open_audio
from workers.engines.media.files import replacing
from workers.engines.media.guard import CancelPoll, named
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.loudness import evened
from workers.engines.media.picture_filter import TICKS, filtered
from workers.engines.media.plan import Plan, Wanted, plan_of
from workers.engines.media.probe import probe
from workers.engines.media.profile import profile_of
from workers.engines.media.progress import Progress
from workers.engines.media.video import open_video
from workers.engines.media.writer import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from workers.engines.media.info import Gap, MediaInfo
    from workers.engines.media.writer import MediaWriter


def transcode(
    path: Path,
    out: Path,
    *,
    format: str = "mp4",  # noqa: A002 - the word of the task's payload
    width: int | None = None,
    height: int | None = None,
    video_codec: str | None = None,
    audio_codec: str | None = None,
    quality: str = "medium",
    bitrate: int | None = None,
    frame_rate: float | None = None,
    filters: Sequence[str] = (),
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> MediaInfo:
    """Write ``path`` to ``out`` as ``format`` and return the facts about what was written.

    ``format``: mp4, mov, mkv, webm, or for the sound alone m4a, mp3, ogg, opus, flac, wav. ``width`` and ``height`` in
    pixels (made even; one given: the other follows). Codecs by FFmpeg's name or the common one (``h264``), ``none``
    leaves the track out, ``None`` takes the usual one. ``quality``: low, medium, high; ``bitrate`` in bit/s replaces
    it, for the pictures or, in a sound format, the sound. ``frame_rate`` makes it constant. ``filters``: the words of
    ``operations``, and ``loudness`` for the sound. Tracks of the source beyond the first picture and the first sound
    track are left out.

    ``progress`` gets rising fractions up to 1.0, by the time of the pictures (or the sound). On any failure nothing is
    left behind. Raises ``InvalidInput``, ``NotConfigured``, ``OutOfResource``, ``Cancelled``.
    """
    info = probe(path, limits, cancelled=cancelled)
    wanted = Wanted(format, width, height, video_codec, audio_codec, quality, bitrate, frame_rate, tuple(filters))
    plan = plan_of(named(path), info, wanted, limits)
    return carry_out(plan, path, out, info=info, limits=limits, progress=progress, cancelled=cancelled, on_gap=on_gap)


def extract_audio(
    path: Path,
    out: Path,
    *,
    format: str = "wav",  # noqa: A002 - the word of the task's payload
    quality: str = "medium",
    bitrate: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> MediaInfo:
    """Write the first sound track of ``path`` alone; ``format`` is one of transcode's sound formats."""
    if profile_of(format).video:
        raise InvalidInput(f"{format} is not a format for sound alone", code="options_invalid")
    return transcode(
        path,
        out,
        format=format,
        quality=quality,
        bitrate=bitrate,
        limits=limits,
        progress=progress,
        cancelled=cancelled,
        on_gap=on_gap,
    )


def carry_out(
    plan: Plan,
    path: Path,
    out: Path,
    *,
    info: MediaInfo,
    limits: Limits,
    progress: Callable[[float], None] | None,
    cancelled: Callable[[], bool] | None,
    on_gap: Callable[[Gap], None] | None,
) -> MediaInfo:
    """Make ``out`` from ``path`` by ``plan``; ``info`` is what ``path`` is. See ``transcode``."""
    told, poll = Progress(progress, info.duration_ms / 1000), CancelPoll(cancelled)
    common = _Common(path, limits, cancelled, on_gap)
    with replacing(out) as partial:
        with writing(partial, plan.muxer, video=plan.video, audio=plan.audio, max_bytes=limits.max_bytes) as writer:
            pictures = _pictures(plan, common, writer)
            sounds = _sounds(plan, common, writer)
            for time_s, write in heapq.merge(pictures, sounds, key=itemgetter(0)):
                poll()
                write()
                told.at(time_s)
        made = probe(partial, limits)
        _verify(made, plan)
    told.done()
    return made


@dataclass(frozen=True, slots=True)
class _Common:
    path: Path
    limits: Limits
    cancelled: Callable[[], bool] | None
    on_gap: Callable[[Gap], None] | None


Piece = tuple[float, "Callable[[], None]"]
"""A time in seconds, and what writes the picture or sound that belongs there."""


def _pictures(plan: Plan, common: _Common, writer: MediaWriter) -> Iterator[Piece]:
    if plan.video is None:
        return
    shown = open_video(common.path, limits=common.limits, cancelled=common.cancelled, on_gap=common.on_gap)
    for frame in filtered(shown, plan.filters, width=plan.video.width, height=plan.video.height):
        yield float((frame.pts or 0) * TICKS), functools.partial(writer.write_picture, frame)


def _sounds(plan: Plan, common: _Common, writer: MediaWriter) -> Iterator[Piece]:
    if plan.audio is None:
        return
    rate, samples = plan.audio.sample_rate, 0
    blocks: Iterator[NDArray[np.int16]] = open_audio(
        common.path,
        rate=rate,
        channels=plan.audio.channels,
        limits=common.limits,
        cancelled=common.cancelled,
        on_gap=common.on_gap,
    )
    if plan.loudness:
        blocks = evened(blocks, rate=rate, channels=plan.audio.channels)
    for block in blocks:
        yield samples / rate, functools.partial(writer.write_sound, block)
        samples += len(block)


def _verify(made: MediaInfo, plan: Plan) -> None:
    """Raise ``EngineError`` unless the file has the planned tracks: an encoder's fault must not pass for success."""
    if (plan.video is not None) != made.has_video or (plan.audio is not None) != made.has_audio:
        raise EngineError(f"the output has not the tracks that were planned: {made}")
