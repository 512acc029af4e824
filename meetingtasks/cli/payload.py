"""A payload as it is given on the command line: JSON itself, a file that holds it, or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

#: well above what any task type accepts, well below what hurts
LARGEST_BYTES: Final = 1024 * 1024


class PayloadParam(click.ParamType[dict[str, Any]]):
    """``{"a": 1}``, ``@file.json`` or ``-``; gives a dictionary."""

    name = "json"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what the help shows."""
        del param, ctx
        return "JSON|@FILE|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Read it; a usage error says where it is wrong."""
        if isinstance(value, dict):
            return value
        origin, text = self._text(value, param, ctx)
        try:
            payload = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            self.fail(f"{origin} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", param, ctx)
        except (ValueError, RecursionError) as error:  # twins, NaN, an endless number, nested without end
            self.fail(f"{origin}: {error}", param, ctx)
        if not isinstance(payload, dict):
            self.fail(
                f'{origin} must be a JSON object such as {{"text": "…"}}, not {type(payload).__name__}', param, ctx
            )
        return payload

    def _text(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if value != "-" and not value.startswith("@"):
            return "the payload", self._decoded("the payload", value.encode(errors="surrogateescape"), param, ctx)
        origin = "standard input" if value == "-" else value.removeprefix("@")
        try:
            if value == "-":
                data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
            else:
                with Path(origin).open("rb") as file:
                    data = file.read(LARGEST_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            self.fail(f"cannot read {origin}: {getattr(error, 'strerror', None) or error}", param, ctx)
        return origin, self._decoded(origin, data, param, ctx)

    def _decoded(self, origin: str, data: bytes, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(data) > LARGEST_BYTES:
            self.fail(f"{origin} is larger than {LARGEST_BYTES // 1024} KiB; send a reference to a file", param, ctx)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.fail(f"{origin} is not UTF-8 (byte {error.start})", param, ctx)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"duplicate key {key!r}")
        found[key] = value
    return found


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")
