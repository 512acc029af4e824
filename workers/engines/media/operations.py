"""The picture filters that clients may ask for, by the words of the task's payload. Nothing else reaches FFmpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.picture_filter import Filter, require_filters

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATIONS: dict[str, tuple[Filter, ...]] = {
    # Averages each pixel over nine pictures while it does not change: 254 pictures a second at 360p, and it leaves
    # moving edges alone.
    "denoise": (Filter("atadenoise", "0a=0.12:0b=0.24:1a=0.12:1b=0.24:2a=0.12:2b=0.24:s=9"),),
    # Non-local means: far better and far slower (9 pictures a second); for short videos.
    "denoise_strong": (Filter("nlmeans", "s=6:p=7:r=9"),),
    "sharpen": (Filter("unsharp", "lx=5:ly=5:la=0.8"),),
    "deband": (Filter("deband", "range=16"),),
    "stabilise": (Filter("deshake", "rx=32:ry=32"),),
    "deinterlace": (Filter("yadif", "mode=send_frame:deint=interlaced"),),
}


def chain_of(operations: Sequence[str]) -> tuple[Filter, ...]:
    """Return FFmpeg's filters for ``operations``, in their order.

    Raises ``InvalidInput`` (``options_invalid``) for an unknown word, ``NotConfigured`` for a filter that is missing.
    """
    chain: list[Filter] = []
    for operation in operations:
        if operation not in OPERATIONS:
            raise InvalidInput(f"operation {operation!r} is none of {', '.join(OPERATIONS)}", code="options_invalid")
        require_filters(OPERATIONS[operation], operation)
        chain.extend(OPERATIONS[operation])
    return tuple(chain)
