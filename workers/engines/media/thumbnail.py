"""A still picture out of a video, small enough for a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import av

from workers.engines.errors import InvalidInput
from workers.engines.media.files import replacing, sha256_of
from workers.engines.media.guard import border
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.picture_filter import TICKS, filtered
from workers.engines.media.size import fitted
from workers.engines.media.video import Picture, open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from av import VideoFrame
    from av.video.codeccontext import VideoCodecContext

_CODECS = {"jpeg": ("mjpeg", "yuvj420p"), "png": ("png", "rgb24")}
_SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The picture that was written; ``time_ms`` is when the video shows it."""

    width: int
    height: int
    time_ms: int
    bytes: int
    sha256: str


def thumbnail(
    path: Path,
    out: Path,
    *,
    time_ms: int = 0,
    max_width: int = 640,
    max_height: int = 640,
    format: str | None = None,  # noqa: A002 - the word of the task's payload
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
) -> Thumbnail:
    """Write the picture that ``path`` shows at ``time_ms`` (after the end: its last one) to ``out``.

    It is turned upright and scaled down, never up, to fit ``max_width`` x ``max_height`` pixels. ``format``: ``jpeg``
    or ``png``; ``None``: by the suffix of ``out``. Raises ``InvalidInput`` ("no video stream", ``options_invalid``
    and so on), ``OutOfResource``, ``Cancelled``.
    """
    kind = format or _SUFFIXES.get(out.suffix.lower(), "")
    if (
        kind not in _CODECS
        or time_ms < 0
        or not 0 < max_width <= limits.max_side
        or not 0 < max_height <= limits.max_side
    ):
        raise InvalidInput(
            f"cannot write a thumbnail as {kind or out.suffix!r} at {time_ms} ms within {max_width}x{max_height}: "
            f"formats are jpeg and png, sides 1 to {limits.max_side}",
            code="options_invalid",
        )
    picture = _shown_at(path, time_ms, limits, cancelled)
    frame = picture.frame
    size = fitted(frame.width, frame.height, round(frame.rotation), max_width, max_height)
    still = next(filtered([picture], [], width=size[0], height=size[1]))
    with replacing(out) as partial:
        with border(path, "encoding the picture"):
            partial.write_bytes(_encoded(still, kind))
        size_bytes, digest = partial.stat().st_size, sha256_of(partial)
    return Thumbnail(*size, max(round(picture.time_s * 1000), 0), size_bytes, digest)


def _shown_at(path: Path, time_ms: int, limits: Limits, cancelled: Callable[[], bool] | None) -> Picture:
    shown: Picture | None = None
    for start_ms in (time_ms, 0) if time_ms else (0,):
        # A seek beyond the end finds nothing in some formats: then the last picture is found from the start.
        try:
            for picture in open_video(path, start_ms=start_ms, limits=limits, cancelled=cancelled, on_gap=_ignore):
                if shown is not None and picture.time_s * 1000 > time_ms:
                    return shown
                shown = picture
        except InvalidInput:
            if start_ms == 0:
                raise
        if shown is not None:
            return shown
    raise InvalidInput(f"{path.name}: not one picture of its video stream can be decoded")


def _ignore(gap: object) -> None:
    """Do nothing: a thumbnail of a damaged video is still a thumbnail."""


def _encoded(frame: VideoFrame, kind: str) -> bytes:
    codec, pixels = _CODECS[kind]
    still = frame.reformat(format=pixels)
    encoder = cast("VideoCodecContext", av.CodecContext.create(codec, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = still.width, still.height, pixels
    encoder.time_base = TICKS
    return b"".join(bytes(packet) for packet in [*encoder.encode(still), *encoder.encode(None)])
