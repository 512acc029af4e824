"""``meetingtasks outbox``: tasks that were accepted on this machine while the broker was away."""

from __future__ import annotations

from typing import Any

import click

from meetingtasks.answers import translated
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.fleet import settings_for
from meetingtasks.clock import to_datetime
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import SettingsError, TaskNotFound
from meetingtasks.outbox import Entry, OutboxFile, file_of

_EXAMPLES = (
    "meetingtasks outbox list --json",
    "meetingtasks outbox show 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11",
    "meetingtasks outbox forward",
    "meetingtasks outbox purge --yes",
)


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def outbox() -> None:
    """Look at the tasks kept here while the broker is away; send them on or drop them.

    Workers and programs with a dispatcher send them on by themselves as soon as the broker is back.
    """


@outbox.command(name="list", cls=Command, examples=(_EXAMPLES[0],))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most this many.")
@common_options
def list_entries(*, limit: int, common: Common) -> None:
    """List what is kept, in the order in which it will be sent on."""
    file = _opened(common)
    totals, entries = file.totals(), file.entries(limit)
    if common.as_json:
        counts = {"tasks": totals.tasks, "bytes": totals.bytes, "oldest_ms": totals.oldest_ms}
        output.document({"counts": counts, "tasks": [_row(entry) for entry in entries]})
        return
    output.line(f"{totals.tasks} tasks, {totals.bytes} bytes")
    rows = [_row(entry) for entry in entries]
    if rows:
        columns = ("id", "type", "priority", "state", "accepted", "problem")
        output.table(columns, [[row[column] for column in columns] for row in rows])


@outbox.command(cls=Command, examples=(_EXAMPLES[1],))
@click.argument("task_id")
@common_options
def show(*, task_id: str, common: Common) -> None:
    """Show one kept task with what it was given."""
    entry = _opened(common).find(task_id)
    if entry is None:
        raise TaskNotFound(f"there is no task {task_id!r} in the outbox", task_id=task_id)
    row = {**_row(entry), "payload": entry.record().payload}
    if common.as_json:
        output.document(row)
        return
    for name, value in row.items():
        output.line(f"{name:>10}  {value}")


@outbox.command(cls=Command, examples=(_EXAMPLES[2],))
@common_options
def forward(*, common: Common) -> None:
    """Send on all that is kept, now; exit code 3 when the broker is still away."""
    settings = settings_for(common.broker_url)
    dispatcher = TaskDispatcher(settings=settings)
    try:
        with translated():
            sent = 0 if dispatcher.outbox is None else dispatcher.outbox.forward()
    finally:
        dispatcher.stop()
    if common.as_json:
        output.document({"forwarded": sent})
    else:
        output.line(f"{sent} tasks were sent on")


@outbox.command(cls=Command, examples=(_EXAMPLES[3],))
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def purge(*, yes: bool, common: Common) -> None:
    """Drop everything that is kept, for good: accepted tasks that will never run and leave no record."""
    file = _opened(common)
    if not yes:
        click.confirm(f"drop all {file.totals().tasks} tasks?", abort=True, err=True)
    purged = file.purge()
    if common.as_json:
        output.document({"purged": purged})
    else:
        output.line(f"{purged} tasks were dropped")


def _opened(common: Common) -> OutboxFile:
    file = file_of(settings_for(common.broker_url))
    if file is None:
        raise SettingsError("MT_OUTBOX_PATH is off: nothing is kept while the broker is away")
    return file


def _row(entry: Entry) -> dict[str, Any]:
    record = entry.record()
    return {
        "id": entry.task_id,
        "type": record.type,
        "priority": record.priority.value,
        "state": record.state.value,
        "accepted": to_datetime(entry.accepted_ms).isoformat(timespec="seconds"),
        "maybe_sent": entry.maybe_sent,
        "problem": entry.problem,
    }
