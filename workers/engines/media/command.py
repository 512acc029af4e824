"""What the engines' command lines share: one answer on standard output, one clear sentence on failure, exit codes."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engines.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_OK = 0
EXIT_REFUSED = 1
"""The work could not be done: the message says why. Wrong usage ends with 2, as argparse has it."""
EXIT_INTERRUPTED = 130


def answer(work: Callable[[], Any], *, as_json: bool) -> int:
    """Do ``work`` and print what it returns; returns the exit code."""
    try:
        result = plain(work())
    except EngineError as error:
        if as_json:
            _print({"error": {"code": error.code, "message": error.message}})
        sys.stderr.write(f"error: {error.message} [{error.code}]\n")
        return EXIT_REFUSED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    if as_json:
        _print(result)
    else:
        sys.stdout.write(as_text(result) + "\n")
    return EXIT_OK


def plain(value: Any) -> Any:
    """Return records, paths and tuples as what JSON knows."""
    if hasattr(value, "as_dict"):
        return plain(value.as_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def as_text(result: Any) -> str:
    """Return one line per entry, for people."""
    if isinstance(result, dict):
        return "\n".join(f"{key}: {item}" for key, item in result.items())
    if isinstance(result, list):
        return "\n".join(
            "  ".join(f"{k}={v}" for k, v in item.items()) if isinstance(item, dict) else str(item) for item in result
        )
    return str(result)


def _print(result: Any) -> None:
    # Names that are not valid Unicode come as lone surrogates; escaped, they can be printed anywhere.
    sys.stdout.write(json.dumps(result, ensure_ascii=True) + "\n")
