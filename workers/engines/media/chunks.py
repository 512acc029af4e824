"""The plan by which a recording is cut: pieces that cover it exactly, cut where nobody speaks.

``[start_ms, end_ms)`` of the chunks tile ``[0, duration)`` without hole or overlap; who owns a word is decided by
these. ``[context_start_ms, context_end_ms)`` is what the recogniser hears: a little more on both sides, so that a word
at the seam is heard whole by one of the two; what it finds outside its own part is dropped by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

# A pause shorter than this may be inside a word (the closure of a "p" lasts up to 150 ms).
_SHORTEST_PAUSE_MS = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a recording; times in milliseconds from its start, ``speech_ms`` of detected speech inside."""

    index: int
    start_ms: int
    end_ms: int
    context_start_ms: int
    context_end_ms: int
    speech_ms: int


def plan_chunks(
    duration_ms: int,
    speech_spans: Sequence[tuple[int, int]],
    *,
    target_ms: int = 30_000,
    min_ms: int = 5_000,
    max_ms: int = 60_000,
    overlap_ms: int = 1_000,
) -> list[Chunk]:
    """Cut ``[0, duration_ms)`` near every ``target_ms``, in pauses wherever the bounds allow one.

    ``speech_spans`` are (start_ms, end_ms) in order. Every chunk lasts ``min_ms`` to ``max_ms``, except the only
    chunk of a recording shorter than ``min_ms``. Raises ``InvalidInput`` (``options_invalid``) unless
    0 < min <= target <= max, 2 x min <= max (otherwise some lengths cannot be tiled) and 0 <= overlap <= min.
    """
    _check(duration_ms, target_ms, min_ms, max_ms, overlap_ms)
    pauses = _pauses(duration_ms, speech_spans)
    cuts = [0]
    while (cut := _next_cut(cuts[-1], duration_ms, pauses, (target_ms, min_ms, max_ms))) < duration_ms:
        cuts.append(cut)
    cuts.append(duration_ms)
    return [
        Chunk(
            index,
            start,
            end,
            max(start - overlap_ms, 0),
            min(end + overlap_ms, duration_ms),
            sum(max(min(b, end) - max(a, start), 0) for a, b in speech_spans),
        )
        for index, (start, end) in enumerate(pairwise(cuts))
    ]


def _check(duration_ms: int, target_ms: int, min_ms: int, max_ms: int, overlap_ms: int) -> None:
    if duration_ms <= 0:
        raise InvalidInput("there is nothing to cut: the recording is empty")
    if not (0 < min_ms <= target_ms <= max_ms and 2 * min_ms <= max_ms and 0 <= overlap_ms <= min_ms):
        raise InvalidInput(
            f"cannot cut with target {target_ms}, min {min_ms}, max {max_ms}, overlap {overlap_ms} ms: needs "
            "0 < min <= target <= max, 2 x min <= max, 0 <= overlap <= min",
            code="options_invalid",
        )


def _pauses(duration_ms: int, speech: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    ends = [0, *(end for _, end in speech)]
    starts = [*(start for start, _ in speech), duration_ms]
    return [(a, b) for a, b in zip(ends, starts, strict=True) if b - a >= _SHORTEST_PAUSE_MS]


def _next_cut(start: int, duration_ms: int, pauses: Sequence[tuple[int, int]], lengths: tuple[int, int, int]) -> int:
    """Return the end of the chunk that begins at ``start``, leaving a rest that can be cut within the bounds."""
    target_ms, min_ms, max_ms = lengths
    rest_ms = duration_ms - start
    low, high = start + min_ms, min(start + max_ms, duration_ms - min_ms)
    if rest_ms <= max_ms and (rest_ms < target_ms * 3 // 2 or low > high):
        return duration_ms
    wanted = start + target_ms
    best = min(
        (_nearest(pause, wanted, low, high) for pause in pauses if pause[0] < high and pause[1] > low),
        key=lambda cut: abs(cut - wanted),
        default=None,
    )
    if best is not None:
        return best
    return duration_ms if rest_ms <= max_ms else min(max(wanted, low), high)


def _nearest(pause: tuple[int, int], wanted: int, low: int, high: int) -> int:
    """Return the point of ``pause`` in ``low..high`` nearest to ``wanted``, off the pause's edges where possible."""
    margin = min((pause[1] - pause[0]) // 2, 250)
    inside = min(max(wanted, pause[0] + margin), pause[1] - margin)
    return min(max(inside, low), high)
