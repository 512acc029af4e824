"""Progress as it happens, on standard error: a small table that renews itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from meetingtasks.cli import output, views
from meetingtasks.cli.following import Snapshot
from meetingtasks.store.runs import RunRecord, Stage

_BAR_CELLS = 24


class View(Protocol):
    """Somewhere to show a task's way."""

    def show(self, snapshot: Snapshot) -> None:
        """Show what is known now."""
        ...

    def say(self, text: str) -> None:
        """Print a line that stays."""
        ...


@contextmanager
def live_view() -> Iterator[View]:
    """Give the view that suits standard error."""
    if sys.stderr.isatty() and not output.console(sys.stderr).is_dumb_terminal:
        with _screen() as screen:
            yield screen
    else:
        yield PlainLines()


class PlainLines:
    """A line for every change that says something new; the percent alone only counts in steps of ten."""

    def __init__(self) -> None:
        self._told: tuple[object, ...] = ()

    def show(self, snapshot: Snapshot) -> None:
        """Print a line when there is something new."""
        record = snapshot.record
        telling = (record.state, record.progress.step, record.attempt, snapshot.percent // 10)
        if telling != self._told:
            self._told = telling
            output.note(snapshot.sentence)

    def say(self, text: str) -> None:
        """Print a line."""
        output.note(text)


class Screen:
    """A picture at the lower end of the terminal, and lines that scroll away above it."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, snapshot: Snapshot) -> None:
        """Draw the picture anew."""
        self._live.update(picture(snapshot))

    def say(self, text: str) -> None:
        """Print a line above the picture."""
        self._live.console.print(output.cell(text))


@contextmanager
def _screen() -> Iterator[Screen]:
    from rich.live import Live  # noqa: PLC0415 - 60 ms that only a terminal pays

    with Live(console=output.console(sys.stderr), refresh_per_second=8, transient=False) as live:
        yield Screen(live)


def picture(snapshot: Snapshot) -> Any:
    """Return a snapshot as something that rich can draw: a bar, what is done now, the stages of a run."""
    from rich.console import Group  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    ascii_only = output.console(sys.stderr).encoding.lower().replace("-", "") != "utf8"
    parts: list[Any] = [Text(f"{bar(snapshot.percent, ascii_only=ascii_only)} {output.shown(snapshot.sentence)}")]
    if snapshot.run is not None:
        parts.append(_stages(snapshot.run, ascii_only=ascii_only))
        if snapshot.run.eta_s and snapshot.run.state == "running":
            parts.append(Text(f"about {views.duration(snapshot.run.eta_s)} to go", style="dim"))
    return Group(*parts)


def bar(percent: float, *, ascii_only: bool = False) -> str:
    """Return a bar of 24 cells, filled by so many percent."""
    filled = round(_BAR_CELLS * min(100.0, max(0.0, percent)) / 100)
    full, empty = ("#", ".") if ascii_only else ("█", "░")
    return full * filled + empty * (_BAR_CELLS - filled)


_MARKS = {"done": ("✓", "+"), "running": ("▶", ">"), "waiting": ("·", "."), "skipped": ("-", "-")}
_STYLES = {"done": "green", "running": "bold cyan", "waiting": "dim", "skipped": "dim"}


def _stages(run: RunRecord, *, ascii_only: bool) -> Any:
    from rich.table import Table  # noqa: PLC0415 - as above

    grid = Table.grid(padding=(0, 1))
    for stage in run.stages:
        name, _, parts, took = views.stage_row(stage)
        share = bar(100 * stage.done / stage.total, ascii_only=ascii_only) if _has_parts(stage) else ""
        mark = _MARKS[stage.state][1 if ascii_only else 0]
        grid.add_row(*(output.cell(text) for text in (mark, name, parts, took, share)), style=_STYLES[stage.state])
    return grid


def _has_parts(stage: Stage) -> bool:
    return stage.total > 1 and stage.state == "running"
