"""``meetingtasks status``: the fleet's tasks and runs at a glance, or everything about one of them."""

from __future__ import annotations

import click

from meetingtasks.cli import output, views
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import Fleet, open_fleet
from meetingtasks.cli.following import nothing_known


@click.command(
    cls=Command,
    examples=(
        "meetingtasks status",
        "meetingtasks status 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11",
        "meetingtasks status --json | jq .counts",
    ),
)
@click.argument("task_or_run_id", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="Tasks and runs that are listed at most.",
)
@common_options
def status(*, task_or_run_id: str | None, limit: int, common: Common) -> None:
    """Show counts, tasks that have not ended, and the newest runs with their stages.

    With the id of a task or run: its record, its attempts, and its stages.
    """
    with open_fleet(common) as fleet:
        if task_or_run_id is None:
            _show_fleet(fleet, limit, as_json=common.as_json)
        else:
            _show_one(fleet, task_or_run_id, as_json=common.as_json)


def _show_fleet(fleet: Fleet, limit: int, *, as_json: bool) -> None:
    counts = fleet.dispatcher.get_stats()
    live = [record for record in fleet.dispatcher.store.get_many(fleet.dispatcher.store.live_ids(limit)) if record]
    wanted = dict.fromkeys([*fleet.runs.live_ids(), *fleet.runs.recent_ids(limit)])
    runs = [run for run_id in list(wanted)[:limit] if (run := fleet.run(run_id)) is not None]
    if as_json:
        tasks = [record.as_dict() for record in live]
        output.document({"counts": counts, "tasks": tasks, "runs": [views.run_document(run) for run in runs]})
        return
    output.line(
        ", ".join(f"{name.removeprefix('total_').replace('_', ' ')} {number}" for name, number in counts.items())
    )
    if live:
        output.line("")
        views.task_table(live)
    if runs:
        output.line("")
        views.run_table(runs)
    if counts["total_dispatched"] == 0:
        output.note("nothing was submitted yet; try: meetingtasks submit --help")


def _show_one(fleet: Fleet, task_id: str, *, as_json: bool) -> None:
    record, run = fleet.task(task_id), fleet.run(task_id)
    if record is None and run is None:
        raise nothing_known(task_id)
    if as_json:
        output.document({"task": record and record.as_dict(), "run": run and views.run_document(run)})
        return
    if record is not None:
        views.task_details(record)
        if record.attempts:
            output.line("")
            views.attempt_table(record)
    if run is not None:
        output.line(f"\nrun {run.state}, {run.percent:.0f}%")
        views.stage_table(run)
