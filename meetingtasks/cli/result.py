"""``meetingtasks result``: what a task came to."""

from __future__ import annotations

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import open_fleet


@click.command(
    cls=Command,
    examples=("meetingtasks result 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11 | jq .text",),
)
@click.argument("task_id")
@common_options
def result(*, task_id: str, common: Common) -> None:
    """Print the result of a completed task as JSON.

    Exits with 4 when the task has not ended, and with 1 when it ended otherwise than completed.
    """
    with open_fleet(common) as fleet:
        found = fleet.dispatcher.get_result(task_id)
    output.document({"task_id": task_id, "state": "completed", "result": found} if common.as_json else found)
