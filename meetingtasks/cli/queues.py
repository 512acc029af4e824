"""``meetingtasks queues``: how much waits where, what comes next, why a task waits, and emptying a queue."""

from __future__ import annotations

import click

from meetingtasks.cli import caps, output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.fleet import open_fleet, settings_for
from meetingtasks.queues import Queues

_EXAMPLES = (
    "meetingtasks queues list",
    "meetingtasks queues show ai_tasks --json",
    "meetingtasks queues peek ai_tasks --limit 5",
    "meetingtasks queues explain 7c0e5a3e-4a0f-4f0e-9d0a-0d6f6f0e5a3e",
    "meetingtasks queues purge custom_tasks --yes",
    "meetingtasks queues limit ai_tasks --type speech_recognition --most 4",
)
_COLUMNS = ("critical_pending", "high_pending", "normal_pending", "low_pending")
_COUNTS = ("delayed_count", "capped_count", "processing_count", "dead_letter_count")
_TITLES = ("queue", "service", "critical", "high", "normal", "low", "delayed", "capped", "running", "dead", "oldest")


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


def open_queues(common: Common) -> Queues:
    """Return the broker's queues; BrokerUnavailable within a few seconds when it does not answer."""
    with open_fleet(common):
        return Queues(settings_for(common.broker_url))


@click.group(cls=_Group)
def queues() -> None:
    """Look into the queues."""


queues.add_command(caps.limit)


@queues.command(name="list", cls=Command, examples=(_EXAMPLES[0],))
@common_options
def list_queues(*, common: Common) -> None:
    """Count what every queue holds."""
    rows = open_queues(common).all()
    if common.as_json:
        output.document(rows)
        return
    output.table(
        _TITLES,
        [
            (
                row["queue"],
                row["service"],
                *(str(row[name]) for name in (*_COLUMNS, *_COUNTS)),
                _age(row["oldest_age_s"]),
            )
            for row in rows
        ],
    )


@queues.command(cls=Command, examples=(_EXAMPLES[1],))
@click.argument("queue")
@common_options
def show(*, queue: str, common: Common) -> None:
    """Show the figures of QUEUE."""
    row = open_queues(common).show(queue)
    if common.as_json:
        output.document(row)
        return
    for name, value in row.items():
        output.line(f"{name.replace('_', ' '):>18}  {'-' if value is None else value}")


@queues.command(cls=Command, examples=(_EXAMPLES[2],))
@click.argument("queue")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most this many.")
@common_options
def peek(*, queue: str, limit: int, common: Common) -> None:
    """List the next messages of QUEUE in the order in which they will start."""
    rows = open_queues(common).peek(queue, limit)
    if common.as_json:
        output.document(rows)
        return
    titles = ("position", "task_id", "type", "priority", "meeting_key", "deliveries")
    output.table(titles, [tuple("-" if row[name] is None else str(row[name]) for name in titles) for row in rows])


@queues.command(cls=Command, examples=(_EXAMPLES[3],))
@click.argument("task_id")
@common_options
def explain(*, task_id: str, common: Common) -> None:
    """Say where the message of TASK_ID is and what it waits for."""
    found = open_queues(common).explain(task_id)
    if common.as_json:
        output.document(found)
    else:
        output.line(f"{task_id} ({found['state']}, {found['queue']}): {found['why']}")


@queues.command(cls=Command, examples=(_EXAMPLES[4],))
@click.argument("queue")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def purge(*, queue: str, yes: bool, common: Common) -> None:
    """Drop everything that waits in QUEUE and cancel its tasks; running tasks go on."""
    opened = open_queues(common)
    waiting = opened.show(queue)["queue_length"]
    if not yes:
        click.confirm(f"drop the {waiting} messages that wait in {queue} and cancel their tasks?", abort=True, err=True)
    purged = opened.purge(queue)
    if common.as_json:
        output.document({"queue": queue, "purged": purged})
    else:
        output.line(f"{purged} messages of {queue} were dropped and their tasks cancelled")


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"
