"""``meetingtasks cancel``: stop tasks, or keep them from starting: one by its id, or those that a filter finds."""

from __future__ import annotations

import getpass
from typing import Any, Final

import click

from meetingtasks.cancelling import CancelFilter, CancelReport
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import TaskConflict
from meetingtasks.states import TaskState

_TOLD = {
    "cancelled": "cancelled; it will not run",
    "running": "told to stop; it ends within seconds (see: meetingtasks watch {id})",
}
_NOTE_EVERY: Final = 5000


@click.command(
    cls=Command,
    examples=(
        """meetingtasks cancel 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11 --reason "wrong recording\"""",
        """meetingtasks cancel --meeting 456 --reason "meeting called off\"""",
        "meetingtasks cancel --type transcode --user 7 --dry-run",
    ),
)
@click.argument("task_id", required=False)
@click.option("--meeting", help="Everything of this meeting: what waits, what runs, and what would follow.")
@click.option("--type", "task_type", help="Tasks of this type.")
@click.option("--queue", help="Tasks of this queue.")
@click.option("--state", help="Tasks in this state: scheduled, pending, running or retrying.")
@click.option("--user", help="Tasks of this user.")
@click.option("--dry-run", is_flag=True, help="Count what would be cancelled, and cancel nothing.")
@click.option("--reason", default="", help="Why; kept in the tasks' records.")
@common_options
def cancel(*, task_id: str | None, reason: str, dry_run: bool, common: Common, **which: str | None) -> None:
    """Cancel a task or run by its id, or all tasks that fit every option given.

    A waiting task never starts; a running one is told to stop, and its process is ended when it does not. Cancelling a
    cancelled task again does nothing; a task that has ended otherwise cannot be cancelled (exit code 1).
    """
    chosen = {name: value for name, value in which.items() if value is not None}
    if (task_id is None) == (not chosen):
        raise click.UsageError("give either a task's id or a filter such as --meeting")
    if task_id is not None and dry_run:
        raise click.UsageError("--dry-run goes with a filter")
    with open_fleet(common) as fleet:
        if task_id is not None:
            _cancel_one(fleet.dispatcher, task_id, reason, as_json=common.as_json)
        else:
            _cancel_many(fleet.dispatcher, _filter(chosen), reason, dry_run=dry_run, as_json=common.as_json)


def _cancel_one(dispatcher: TaskDispatcher, task_id: str, reason: str, *, as_json: bool) -> None:
    standing = dispatcher.cancel(task_id, reason=reason, actor=_actor())
    if standing not in _TOLD:
        raise TaskConflict(f"task {task_id} has already ended: {standing}", task_id=task_id, state=standing)
    if as_json:
        output.document({"task_id": task_id, "state": standing})
    else:
        output.line(f"{task_id} {_TOLD[standing].format(id=task_id)}")


def _cancel_many(dispatcher: TaskDispatcher, which: CancelFilter, reason: str, *, dry_run: bool, as_json: bool) -> None:
    noted = 0

    def tell(so_far: CancelReport) -> None:
        nonlocal noted
        if so_far.cancelled - noted >= _NOTE_EVERY:
            noted = so_far.cancelled
            output.note(f"{noted} cancelled …")

    report = dispatcher.cancel_where(which, reason=reason, actor=_actor(), dry_run=dry_run, on_progress=tell)
    if as_json:
        output.document({**report.as_dict(), "dry_run": dry_run})
    elif dry_run:
        output.line(f"{report.cancelled} would be cancelled, {report.told} told to stop; nothing was done")
    else:
        output.line(f"{report.cancelled} cancelled, {report.told} told to stop, {report.already_final} had ended")


def _filter(chosen: dict[str, str]) -> CancelFilter:
    names = {"meeting": "meeting_id", "task_type": "type", "user": "user_id"}
    about: dict[str, Any] = {names.get(name, name): value for name, value in chosen.items()}
    if "state" in about:
        try:
            about["state"] = TaskState.parse(about["state"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--state") from error
    return CancelFilter(**about)


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user number without a name, as in a container
        return "cli"
