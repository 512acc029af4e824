"""What a command prints: results on standard output, everything else on standard error.

Nothing that comes from elsewhere can move a terminal's cursor, and no character that it cannot show is an error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, Any

import click

#: for a pipe, whose reader should get one line per row
PIPE_WIDTH = 200
GAP = 2
NARROW = 72


def prepare_streams() -> None:
    """Let a stream that cannot show a character escape it instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that was put in place of the real one
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def abandon_stdout() -> None:
    """Send what is still buffered nowhere: the reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def document(value: Any) -> None:
    """Print one JSON document on standard output."""
    unicode_fits = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(value, ensure_ascii=not unicode_fits, indent=2, default=str))


def line(text: str) -> None:
    """Print a line of the result."""
    click.echo(shown(text))


def note(text: str) -> None:
    """Print a line beside the result, on standard error."""
    click.echo(shown(text), err=True)


def shown(text: str) -> str:
    """Return text for a terminal: what could move its cursor or colour it is escaped, line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "replace").decode() for c in text)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on standard output. Columns without names have no header.

    A pipe gets one line per row. On a terminal the other columns are folded, but never the first, so that an id can be
    copied; on one below 72 columns it has a line of its own and the others follow below it.
    """
    screen, texts = console(), [[cell(value) for value in row] for row in rows]
    widths = (max(text.cell_len for text in column) for column in zip(map(cell, columns), *texts, strict=True))
    if any(columns) and screen.width < NARROW and sum(widths) + GAP * len(columns) > screen.width:
        for first, *others in texts:
            click.echo(first.plain)
            pairs = [(name, text) for name, text in zip(columns[1:], others, strict=True) if text.plain]
            _print_grid(screen, ("", ""), [[cell(f"  {name}"), text] for name, text in pairs])
    else:
        _print_grid(screen, columns, texts)


def _print_grid(screen: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - 60 ms that only a command with a table pays

    grid = Table(show_header=any(columns), box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        grid.add_column(cell(name), overflow="fold", no_wrap=place == 0)
    for row in rows:
        grid.add_row(*row)
    with screen.capture() as drawn:
        screen.print(grid)
    for drawn_line in drawn.get().splitlines():
        click.echo(drawn_line.rstrip())


def cell(value: object) -> Any:
    """Return a value as the content of a table's cell: no mark-up, no control characters."""
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(shown("" if value is None else str(value)))


def console(stream: IO[str] | None = None) -> Any:
    """Return a rich console on a stream (default: standard output); NO_COLOR and TERM=dumb are heeded by rich."""
    from rich.console import Console  # noqa: PLC0415 - as above

    target = stream or sys.stdout
    return Console(
        file=target, width=None if target.isatty() else PIPE_WIDTH, highlight=False, emoji=False, soft_wrap=False
    )
