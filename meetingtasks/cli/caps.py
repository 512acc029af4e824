"""``meetingtasks queues limit``: how many tasks of a type or a queue are in work at once, and start per second."""

from __future__ import annotations

import click

from meetingtasks.caps import Cap, CapInUse, Caps
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import open_fleet, settings_for
from meetingtasks.queues import Queues

_EXAMPLES = (
    "meetingtasks queues limit ai_tasks",
    "meetingtasks queues limit ai_tasks --type speech_recognition --most 4",
    "meetingtasks queues limit notification --rate 20 --burst 40",
    "meetingtasks queues limit ai_tasks --type speech_recognition --reset",
)
_TITLES = ("cap", "most in work", "starts per s", "burst", "set", "in work", "waiting for it")


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("queue")
@click.option("--type", "name", metavar="TYPE", help="The cap of this task type; else that of the whole queue.")
@click.option("--most", type=click.IntRange(0), help="At most so many in work over all workers; 0: nothing starts.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="At most so many starts per second.")
@click.option("--burst", type=click.IntRange(1), help="So many may start at once after a pause.  [default: RATE]")
@click.option("--none", "is_none", is_flag=True, help="No cap, whatever the catalogue says.")
@click.option("--reset", is_flag=True, help="Back to the catalogue's cap.")
@common_options
def limit(
    *,
    queue: str,
    name: str | None,
    most: int | None,
    rate: float | None,
    burst: int | None,
    is_none: bool,
    reset: bool,
    common: Common,
) -> None:
    """Set a cap of QUEUE; without figures, show its caps. A cap that is set is replaced as a whole."""
    is_given = any(figure is not None for figure in (most, rate, burst))
    if is_given + is_none + reset > 1:
        raise click.UsageError("give figures, --none or --reset")
    try:
        cap = Cap(most=most, per_s=rate, burst=burst)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    with open_fleet(common):
        settings = settings_for(common.broker_url)
    Queues(settings).show(queue)  # a queue that nobody knows is a mistake
    caps = Caps(settings)
    if reset:
        found = [caps.reset(queue, name)]
    elif is_given or is_none:
        found = [caps.set(queue, name, cap)]
    else:
        found = caps.of(queue) if name is None else [caps.get(queue, name)]
    _show([_row(one) for one in found], common)


def _row(found: CapInUse) -> dict[str, object]:
    return {
        "queue": found.queue,
        "type": found.name,
        "most": found.cap.most,
        "per_s": found.cap.per_s,
        "burst": found.cap.bucket if found.cap.per_s else None,
        "is_set": found.is_set,
        "in_work": found.in_work,
        "parked": found.parked,
    }


def _show(rows: list[dict[str, object]], common: Common) -> None:
    if common.as_json:
        output.document(rows)
        return
    cells = [[row["type"] or "(whole queue)", *list(row.values())[2:]] for row in rows]
    output.table(_TITLES, [tuple("-" if cell is None else _text(cell) for cell in row) for row in cells])


def _text(cell: object) -> str:
    return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell)
