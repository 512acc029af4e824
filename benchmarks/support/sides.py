"""Both sides of a row: stock first, then ours, or both at once where a row mostly waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from benchmarks.support.place import Place

Result = TypeVar("Result")


def in_turn(
    measure: Callable[[Place], Result], *, settings: Mapping[str, str] | None = None, **options: Any
) -> list[Result]:
    """Measure stock, then ours, each on a fresh server with the same settings."""
    return [_on_side(measure, ours, settings, options) for ours in (False, True)]


def at_once(measure: Callable[[Place], Result], **options: Any) -> list[Result]:
    """Measure both at the same time, for rows that wait and hardly work."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda ours: _on_side(measure, ours, None, options), (False, True)))


def _on_side(
    measure: Callable[[Place], Result], ours: bool, settings: Mapping[str, str] | None, options: Mapping[str, Any]
) -> Result:
    with Place(ours, settings=settings, **options) as place:
        return measure(place)
