"""``meetingtasks rerun``: a new run of a recording's pipeline that keeps the good stages of an earlier one."""

from __future__ import annotations

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.cli.following import nothing_known
from meetingtasks.reruns import rerun_request
from meetingtasks.store.runs import STAGE_WEIGHTS


@click.command(
    cls=Command,
    examples=("meetingtasks rerun 1f0c2a9e-0d5b-4d5e-9a53-0c3c1a0b7e11 --from minutes",),
)
@click.argument("run_id")
@click.option(
    "--from", "from_stage", required=True, type=click.Choice(list(STAGE_WEIGHTS)), help="The first stage to do again."
)
@common_options
def rerun(*, run_id: str, from_stage: str, common: Common) -> None:
    """Run a recording's pipeline again from a stage on, and print the new run's id.

    The new run takes over every earlier stage of the old one, and where it starts with `transcribe` also the parts that
    were transcribed: only what is missing is done again. The old run stays as it is.
    """
    with open_fleet(common) as fleet:
        old = fleet.task(run_id)
        if old is None:
            raise nothing_known(run_id)
        accepted = fleet.dispatcher.dispatch(rerun_request(old, from_stage))
    if common.as_json:
        output.document({"run_id": accepted.task_id, "state": accepted.status, "inherits": run_id, "from": from_stage})
    else:
        output.line(accepted.task_id)
        output.note(f"{accepted.status}; follow it with: meetingtasks watch {accepted.task_id}")
