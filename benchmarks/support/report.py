"""Rows: one figure of stock and ours, the goal, and whether ours meets it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

Figure = float | int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison; ``what`` names the unit, a figure is None when there is none."""

    what: str
    stock: Figure
    ours: Figure
    goal: str
    met: bool


def at_most(what: str, stock: Figure, ours: Figure, limit: float) -> Row:
    """Return a row whose goal is a figure of at most ``limit``."""
    met = ours is not None and ours <= limit
    return Row(what, _rounded(stock), _rounded(ours), f"<= {limit:g}" if limit else "0", met)


def exactly(what: str, stock: Figure, ours: Figure, wanted: int) -> Row:
    """Return a row whose goal is one certain figure."""
    return Row(what, stock, ours, f"{wanted}", ours == wanted)


def times_stock(what: str, stock: float, ours: float, factor: float) -> Row:
    """Return a row whose goal is a multiple of stock's figure."""
    return Row(what, _rounded(stock), _rounded(ours), f">= {factor:g} x stock", ours >= factor * stock)


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as a JSON list."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def as_line(row: Row) -> str:
    """Return one row of the table."""
    return f"{row.what:<72}{_shown(row.stock):>10}{_shown(row.ours):>10}  {row.goal:<18}{'yes' if row.met else 'NO'}"


HEAD = f"{'what':<72}{'stock':>10}{'ours':>10}  {'goal':<18}met"


def _rounded(figure: Figure) -> Figure:
    return figure if figure is None or isinstance(figure, int) else float(f"{figure:.4g}")


def _shown(figure: Figure) -> str:
    return "-" if figure is None else f"{figure:g}"
