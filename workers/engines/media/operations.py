"""The picture filters that clients may ask for, by the words of the task's payload. Nothing else reaches FFmpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.picture_filter import Filter, require_filters

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATIONS: dict[str, tuple[Filter, ...]] = {
    # Averages each pixel over nine pictures while it does not change: about 300 pictures a second at 240p. Measured
    # on a scene with movement, noise of 6, 12 and 20 grey levels: PSNR gains 9.0, 8.7 and 4.9 dB. FFmpeg's default of
    # 0.02/0.04 does nothing to such noise; 0.3/0.6 gains 8.2 dB at 20, and smears what moves with little contrast.
    "denoise": (Filter("atadenoise", "0a=0.2:0b=0.4:1a=0.2:1b=0.4:2a=0.2:2b=0.4:s=9"),),
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
