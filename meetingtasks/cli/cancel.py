"""``meetingtasks cancel``: stop a task, or keep it from starting."""

from __future__ import annotations

import getpass

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.errors import TaskConflict

_TOLD = {
    "cancelled": "cancelled; it will not run",
    "running": "told to stop; it ends within seconds (see: meetingtasks watch {id})",
}


@click.command(
    cls=Command,
    examples=("""meetingtasks cancel 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11 --reason "wrong recording\"""",),
)
@click.argument("task_id")
@click.option("--reason", default="", help="Why; kept in the task's record.")
@common_options
def cancel(*, task_id: str, reason: str, common: Common) -> None:
    """Cancel a task or run: a waiting one never starts, a running one is told to stop.

    Cancelling a cancelled task again does nothing; a task that has ended otherwise cannot be cancelled (exit code 1).
    """
    with open_fleet(common) as fleet:
        standing = fleet.dispatcher.cancel(task_id, reason=reason, actor=_actor())
    if standing not in _TOLD:
        raise TaskConflict(f"task {task_id} has already ended: {standing}", task_id=task_id, state=standing)
    if common.as_json:
        output.document({"task_id": task_id, "state": standing})
    else:
        output.line(f"{task_id} {_TOLD[standing].format(id=task_id)}")


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user number without a name, as in a container
        return "cli"
