"""What a JSON value may look like before anyone reads its fields: its depth, keys, numbers, characters and size.

The walk ends at depth 32, so neither a hostile document nor a cycle in a caller's own dictionary can exhaust the stack.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_DEPTH: Final = 32
MAX_KEYS: Final = 1000
MAX_FREE_FORM_BYTES: Final = 256 * 1024
# room for inline data of 256 KiB, which is 342 KiB in base64, and its other fields
MAX_PAYLOAD_BYTES: Final = 512 * 1024
# names with which other readers of JSON build objects or follow references
REFUSED_KEYS: Final = frozenset({"__type__", "__class__", "__proto__", "$ref"})

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
CONTROL_BUT_LAYOUT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

_LARGEST_INTEGER: Final = 2**63 - 1
_OVERHEAD_BYTES: Final = 2  # a separator and a bracket, quote or colon: close enough for a limit


class JsonProblem(ValueError):
    """A value that is refused: ``path`` leads to it, ``text`` says why."""

    def __init__(self, path: tuple[str | int, ...], text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.path = path
        self.text = text
        self.too_large = too_large


@dataclass(frozen=True, kw_only=True)
class JsonLimits:
    """How much is allowed; ``only_json`` also refuses Python values that JSON does not know."""

    max_bytes: int
    max_keys: int
    only_json: bool


# A list of transcript segments has many small objects, so keys are counted per object here ...
WHOLE_PAYLOAD: Final = JsonLimits(max_bytes=MAX_PAYLOAD_BYTES, max_keys=0, only_json=False)
# ... and over the whole value where its shape is the caller's own.
FREE_FORM: Final = JsonLimits(max_bytes=MAX_FREE_FORM_BYTES, max_keys=MAX_KEYS, only_json=True)


def check_json(value: object, limits: JsonLimits) -> None:
    """Raise JsonProblem at the first thing in ``value`` that is refused."""
    _Walk(limits).visit(value, ())


class _Walk:
    """One walk over one value, with what it has counted so far."""

    def __init__(self, limits: JsonLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self._keys = 0

    def visit(self, value: object, path: tuple[str | int, ...]) -> None:
        self._count_bytes(_OVERHEAD_BYTES)
        if isinstance(value, str):
            size_bytes = len(_checked(value, path).encode())
            # one string above the limit is named; many small values are too much together
            self._count_bytes(size_bytes, path if size_bytes > self._limits.max_bytes else ())
        elif isinstance(value, bool) or value is None:
            self._count_bytes(4)
        elif isinstance(value, int | float):
            self._count_bytes(8)
            _check_number(value, path)
        elif isinstance(value, Mapping):
            self._visit_object(value, path)
        elif isinstance(value, list | tuple):
            self._enter(path)
            for index, item in enumerate(value):
                self.visit(item, (*path, index))
        elif self._limits.only_json:
            raise JsonProblem(path, f"must be a JSON value, not {type(value).__name__}")

    def _visit_object(self, value: Mapping[Any, Any], path: tuple[str | int, ...]) -> None:
        self._enter(path)
        self._keys += len(value)
        if len(value) > MAX_KEYS or 0 < self._limits.max_keys < self._keys:
            raise JsonProblem(path, f"must have at most {MAX_KEYS} keys")
        seen: set[str] = set()
        for key, item in value.items():
            name = _checked_key(key, path)
            if name in seen:
                raise JsonProblem(path, f"duplicate key {shown(name)}")
            seen.add(name)
            self._count_bytes(len(name.encode()) + _OVERHEAD_BYTES)
            self.visit(item, (*path, key))

    def _enter(self, path: tuple[str | int, ...]) -> None:
        if len(path) >= MAX_DEPTH:
            raise JsonProblem((), f"nested deeper than {MAX_DEPTH}")

    def _count_bytes(self, number: int, path: tuple[str | int, ...] = ()) -> None:
        self._bytes += number
        if self._bytes > self._limits.max_bytes:
            limit = self._limits.max_bytes // 1024
            raise JsonProblem(path, f"is above {limit} KiB; send a reference to a file instead", too_large=True)


def shown(text: str, limit: int = 80) -> str:
    """Return foreign text for a message: cut, with everything unprintable escaped."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def _checked_key(key: object, path: tuple[str | int, ...]) -> str:
    """Return the key in NFC, in which twins that look alike are equal."""
    if not isinstance(key, str):
        raise JsonProblem(path, "must have strings as keys")
    if not key:
        raise JsonProblem(path, "empty key not allowed")
    if key in REFUSED_KEYS:
        raise JsonProblem(path, f"key {key} not allowed")
    if CONTROL.search(key):
        raise JsonProblem((*path, key), "control characters not allowed")
    return unicodedata.normalize("NFC", _checked(key, (*path, key)))


def _checked(text: str, path: tuple[str | int, ...]) -> str:
    if SURROGATE.search(text):
        where = shown(str(path[-1])) if path else "payload"
        raise JsonProblem(path, f"invalid unicode in {where}")
    if CONTROL_BUT_LAYOUT.search(text):
        raise JsonProblem(path, "control characters not allowed")
    return text


def _check_number(number: float, path: tuple[str | int, ...]) -> None:
    if isinstance(number, int):
        if abs(number) > _LARGEST_INTEGER:
            raise JsonProblem(path, "number too large")
    elif not math.isfinite(number):
        raise JsonProblem(path, "must be a finite number")
