"""What a process group prints: every line of every program behind its name, in one stream, never torn."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # cyan, yellow, green, magenta, blue, then their bright forms
LONGEST_LINE_BYTES = 64 * 1024


class Output:
    """Writes ``name | line`` to ``stream``; names are padded to one width and coloured when ``colour`` says so.

    ``colour`` None: on a terminal only. A stream whose reader has gone is written to no more; the programs go on.
    """

    def __init__(self, stream: IO[str], names: Iterable[str], *, colour: bool | None = None) -> None:
        self._stream: IO[str] | None = stream
        self._lock = threading.Lock()
        names = list(names)
        width = max((len(name) for name in names), default=0)
        coloured = stream.isatty() if colour is None else colour
        self._prefixes = {
            name: _paint(f"{name:<{width}} |", COLOURS[place % len(COLOURS)]) if coloured else f"{name:<{width}} |"
            for place, name in enumerate(names)
        }

    def line(self, name: str, text: str) -> None:
        """Write one line."""
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(f"{self._prefixes[name]} {text}\n")
                self._stream.flush()
            except (BrokenPipeError, ValueError):  # ValueError: the stream is closed on this side
                self._stream = None

    def copy(self, name: str, source: IO[bytes]) -> None:
        """Write what ``source`` yields, line by line, until it ends; a longer line than 64 KiB is cut in pieces."""
        with source:
            while piece := source.readline(LONGEST_LINE_BYTES):
                self.line(name, piece.decode(errors="replace").rstrip("\r\n"))


def _paint(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
