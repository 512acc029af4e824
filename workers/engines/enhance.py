"""A better picture: less noise, sharper, without bands, steadier or scaled. The sound is kept.

As many pictures come out as went in, at the same times.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.command import answer
from workers.engines.media.files import sha256_of
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.operations import OPERATIONS
from workers.engines.media.transcode import transcode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.engines.media.info import Gap

SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Enhanced:
    """What was written."""

    width: int
    height: int
    fps: float
    bytes: int
    duration_ms: int
    sha256: str


def enhance(
    path: Path,
    out: Path,
    *,
    operations: Sequence[str],
    target_width: int | None = None,
    target_height: int | None = None,
    format: str = "mp4",  # noqa: A002 - the word of the task's payload
    fps: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> Enhanced:
    """Apply ``operations`` (the words of ``OPERATIONS``, and ``scale``) to ``path`` in their order and write ``out``.

    ``scale`` needs ``target_width`` or ``target_height`` in pixels (the other follows) and always comes last.
    ``format``: mp4, mov, mkv or webm; ``fps``: a constant frame rate, ``None``: the pictures' own times. Raises
    ``InvalidInput`` (``options_invalid``, "no video stream" and so on), ``NotConfigured`` naming an operation whose
    filter is missing, ``OutOfResource``, ``Cancelled``; then nothing is left behind.
    """
    scaled = SCALE in operations
    if not operations:
        raise InvalidInput("no operation was asked for", code="options_invalid")
    if scaled != (target_width is not None or target_height is not None):
        raise InvalidInput("the operation 'scale' and a target size need each other", code="options_invalid")
    made = transcode(
        path,
        out,
        format=format,
        width=target_width,
        height=target_height,
        quality="high",
        frame_rate=fps,
        filters=[operation for operation in operations if operation != SCALE],
        limits=limits,
        progress=progress,
        cancelled=cancelled,
        on_gap=on_gap,
    )
    if not made.video:
        raise InvalidInput(f"{format} holds no pictures", code="options_invalid")
    picture = made.video[0]
    return Enhanced(picture.width, picture.height, picture.fps, made.size_bytes, made.duration_ms, sha256_of(out))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m workers.engines.enhance IN OUT``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.enhance", description="Make a video look better.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="video file to write")
    parser.add_argument("--operation", action="append", choices=[*OPERATIONS, SCALE], help="may be given several times")
    parser.add_argument("--width", type=int, default=None, help="pixels, for scale")
    parser.add_argument("--height", type=int, default=None, help="pixels, for scale")
    parser.add_argument("--format", choices=["mp4", "mov", "mkv", "webm"], default="mp4")
    parser.add_argument("--json", action="store_true", help="answer as one line of JSON")
    options = parser.parse_args(arguments)
    return answer(
        lambda: enhance(
            options.input,
            options.output,
            operations=options.operation or ["denoise", "sharpen"],
            target_width=options.width,
            target_height=options.height,
            format=options.format,
        ),
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
