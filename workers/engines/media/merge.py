"""Several recordings joined end to end into one, for meetings that were recorded in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.decode import open_audio
from workers.engines.media.files import replacing
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.wav import WavWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workers.engines.media.info import Gap


def merge_audio(
    paths: Sequence[Path],
    out: Path,
    order: Sequence[int] | None = None,
    *,
    rate: int = 16_000,
    channels: int = 1,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> list[int]:
    """Write the sound of ``paths`` one after the other as 16-bit WAV to ``out``, at one rate and channel count.

    ``order`` holds the places of ``paths`` in the order of playing (``[2, 0, 1]``: the third one first). Returns for
    each of ``paths``, in their own order, where it begins in ``out``, in milliseconds. Gaps are told in the
    times of ``out``, which appears complete or not at all. Raises ``InvalidInput`` (``options_invalid`` for an order
    that is not a permutation) and what ``open_audio`` raises, with the file named.
    """
    places = list(range(len(paths))) if order is None else list(order)
    if not paths:
        raise InvalidInput("there is nothing to merge: no file was given", code="options_invalid")
    if sorted(places) != list(range(len(paths))):
        raise InvalidInput(
            f"the order {places} does not name each of the {len(paths)} files once (0 to {len(paths) - 1})",
            code="options_invalid",
        )
    offsets_ms = [0] * len(paths)
    with replacing(out) as partial, partial.open("xb") as file:
        writer = WavWriter(file, rate=rate, channels=channels)
        for place in places:
            offsets_ms[place] = writer.frames * 1000 // rate
            blocks = open_audio(
                paths[place],
                rate=rate,
                channels=channels,
                limits=limits,
                cancelled=cancelled,
                on_gap=None if on_gap is None else _shifted(on_gap, offsets_ms[place]),
            )
            for block in blocks:
                writer.write(block)
        writer.finish()
    return offsets_ms


def _shifted(on_gap: Callable[[Gap], None], offset_ms: int) -> Callable[[Gap], None]:
    return lambda gap: on_gap(replace(gap, start_ms=gap.start_ms + offset_ms, end_ms=gap.end_ms + offset_ms))
