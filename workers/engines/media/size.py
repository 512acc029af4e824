"""Picture sizes: what a video is turned and scaled to."""

from __future__ import annotations

from workers.engines.errors import InvalidInput
from workers.engines.media.limits import Limits

_SMALLEST_SIDE = 2
"""4:2:0 pictures have one colour value for two pixels."""


def upright(width: int, height: int, rotation: int) -> tuple[int, int]:
    """Return width and height after turning by ``rotation`` degrees."""
    return (height, width) if rotation % 180 else (width, height)


def fitted(width: int, height: int, rotation: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the size, turned upright, that fits into the bounds with its aspect kept; never larger than before."""
    width, height = upright(width, height, rotation)
    scale = min(max_width / width, max_height / height, 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def encodable(
    source: tuple[int, int], wanted_width: int | None, wanted_height: int | None, limits: Limits
) -> tuple[int, int]:
    """Return the size for an encoder: even sides, the missing side by the aspect of ``source`` (already upright).

    Raises ``InvalidInput`` (``options_invalid``) for a size beyond ``limits``.
    """
    width, height = source
    if wanted_width is not None and wanted_height is None:
        wanted_height = round(wanted_width * height / width)
    if wanted_height is not None and wanted_width is None:
        wanted_width = round(wanted_height * width / height)
    width, height = _even(wanted_width or width), _even(wanted_height or height)
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise InvalidInput(f"pictures of {width}x{height} are larger than allowed", code="options_invalid")
    return width, height


def _even(side: int) -> int:
    return max(side - side % 2, _SMALLEST_SIDE)
