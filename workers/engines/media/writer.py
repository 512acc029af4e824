"""A media file being written: one picture track, one sound track or both, encoded as they come."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av import AudioFrame

from workers.engines.errors import InvalidInput
from workers.engines.media.picture_filter import TICKS
from workers.engines.media.resample import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av import VideoFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# The file's size is asked for after so many writes: often enough to stop early, seldom enough to cost nothing.
_WRITES_BETWEEN_CHECKS = 100


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """The picture track to be made: FFmpeg's encoder name and options, even sides in pixels."""

    codec: str
    width: int
    height: int
    fps: Fraction
    bitrate: int | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """The sound track to be made; ``sample_rate`` in Hz, ``bitrate`` in bit/s."""

    codec: str
    sample_rate: int
    channels: int
    bitrate: int | None = None


class MediaWriter:
    """Encodes pictures and sound into one container; made by ``writing``."""

    def __init__(
        self,
        container: OutputContainer,
        path: Path,
        video: VideoPlan | None,
        audio: AudioPlan | None,
        max_bytes: int,
    ) -> None:
        self.pictures = 0
        self._container = container
        self._path = path
        self._max_bytes = max_bytes
        self._writes = 0
        self._last_tick = -1
        self._samples = 0
        self._audio_plan = audio
        self._video = None if video is None else _add_video(container, video)
        self._audio = None if audio is None else _add_audio(container, audio)

    def write_picture(self, frame: VideoFrame) -> None:
        """Append a picture with its time in ``TICKS``; a time that does not advance is moved on by one tick."""
        if self._video is None:
            raise AssertionError("this file has no picture track")
        frame.pts = max(frame.pts or 0, self._last_tick + 1)
        frame.time_base = TICKS
        frame.pict_type = 0  # the encoder decides anew which pictures are key frames
        self._last_tick = frame.pts
        self._container.mux(self._video.encode(frame))
        self.pictures += 1
        self._check_size()

    def write_sound(self, block: NDArray[np.int16]) -> None:
        """Append samples, shape ``(n,)`` or ``(n, channels)``."""
        if self._audio is None or self._audio_plan is None:
            raise AssertionError("this file has no sound track")
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(block).reshape(1, -1), "s16", LAYOUTS[self._audio_plan.channels]
        )
        frame.sample_rate = self._audio_plan.sample_rate
        frame.pts, frame.time_base = self._samples, Fraction(1, self._audio_plan.sample_rate)
        self._samples += len(block)
        self._container.mux(self._audio.encode(frame))
        self._check_size()

    def finish(self) -> None:
        """Write what the encoders still hold."""
        for stream in (self._video, self._audio):
            if stream is not None:
                self._container.mux(stream.encode(None))

    def _check_size(self) -> None:
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_CHECKS == 0:
            check_size(self._path, self._max_bytes)


def check_size(path: Path, max_bytes: int) -> None:
    """Raise ``InvalidInput`` (``media_too_large``) when the file being written is larger than allowed."""
    if path.stat().st_size > max_bytes:
        raise InvalidInput(f"the output grew beyond the allowed {max_bytes} bytes", code="media_too_large")


@contextmanager
def writing(
    path: Path, muxer: str, *, video: VideoPlan | None, audio: AudioPlan | None, max_bytes: int
) -> Iterator[MediaWriter]:
    """Open ``path`` for writing with the plans' tracks; the file is complete when the block ends without an error.

    The path must be absolute: FFmpeg takes the start of a relative one for a protocol when it holds a colon.
    """
    options = {"movflags": "+faststart"} if muxer in ("mp4", "mov", "ipod") else {}
    with av.open(str(path), "w", format=muxer, options=options) as container:
        writer = MediaWriter(container, path, video, audio, max_bytes)
        yield writer
        writer.finish()
    check_size(path, max_bytes)


def _add_video(container: OutputContainer, plan: VideoPlan) -> VideoStream:
    stream = cast("VideoStream", container.add_stream(plan.codec, rate=plan.fps, options=plan.options))
    stream.width, stream.height, stream.pix_fmt = plan.width, plan.height, "yuv420p"
    stream.codec_context.time_base = TICKS
    if plan.bitrate is not None:
        stream.bit_rate = plan.bitrate
    return stream


def _add_audio(container: OutputContainer, plan: AudioPlan) -> AudioStream:
    layout = LAYOUTS[plan.channels]
    stream = cast("AudioStream", container.add_stream(plan.codec, rate=plan.sample_rate, layout=layout))
    if plan.bitrate is not None:
        stream.bit_rate = plan.bitrate
    return stream
