"""``meetingtasks watch``: follow a task or run until it ends."""

from __future__ import annotations

import click

from meetingtasks.answers import completed_result
from meetingtasks.cli import output, views
from meetingtasks.cli.command import Command, Common, Seconds, common_options
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.cli.following import Snapshot, follow
from meetingtasks.cli.live import live_view


@click.command(
    cls=Command,
    examples=(
        "meetingtasks watch 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11",
        "meetingtasks watch 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11 --timeout 600 --json",
    ),
)
@click.argument("task_id")
@click.option(
    "--timeout", "timeout_s", type=Seconds(), metavar="SECONDS",
    help="Stop watching after this time (exit code 4); default: never. The task goes on.",
)  # fmt: skip
@common_options
def watch(*, task_id: str, timeout_s: float | None, common: Common) -> None:
    """Follow a task or run live until it ends.

    Exits with 0 when it completes and with 1 when it ends otherwise. Progress goes to standard error; Ctrl-C ends the
    watching only.
    """
    with open_fleet(common) as fleet, live_view() as view:
        last: Snapshot | None = None
        for last in follow(fleet, task_id, timeout_s=timeout_s):
            view.show(last)
    assert last is not None  # noqa: S101 - follow() yields at least once or raises
    end(last, as_json=common.as_json)


def end(last: Snapshot, *, as_json: bool) -> None:
    """Print a followed task's end; exits with 1 unless it completed."""
    if as_json:
        run = None if last.run is None else views.run_document(last.run)
        output.document({"task": last.record.as_dict(), "run": run})
        if last.record.state != "completed":
            raise click.exceptions.Exit(1)
        return
    completed_result(last.record)  # raises what is told otherwise
    output.line(f"{last.record.id} {last.record.state}")
