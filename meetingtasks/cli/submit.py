"""``meetingtasks submit``: hand a task to the fleet, and wait for its end where that is wanted."""

from __future__ import annotations

from typing import Any

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, Seconds, common_options
from meetingtasks.cli.fleet import Fleet, open_fleet
from meetingtasks.cli.following import Snapshot, follow
from meetingtasks.cli.live import live_view
from meetingtasks.cli.payload import PayloadParam
from meetingtasks.cli.watch import end
from meetingtasks.requests import MAX_TIMEOUT_S
from meetingtasks.states import Priority

WAIT_S = 60.0


@click.command(
    cls=Command,
    examples=(
        """meetingtasks submit emotion_detection --payload '{"text": "What a good idea!"}' --wait""",
        "meetingtasks submit process_recording --payload @recording.json --meeting 456 --priority high",
        "echo '{}' | meetingtasks submit hotspot_monitor --payload - --json",
    ),
)
@click.argument("task_type", metavar="TYPE")
@click.option(
    "--payload", type=PayloadParam(), default="{}", help="The type's own data: JSON, a file, or - for standard input."
)
@click.option("--priority", type=click.Choice([level.value for level in Priority]), help="Default: the type's own.")
@click.option("--meeting", "meeting_id", metavar="ID", help="The meeting it belongs to: a number or a name.")
@click.option("--user", "user_id", metavar="ID", help="The user it is done for: a number or a name.")
@click.option("--session", "session_id", metavar="ID", help="The client session that asked for it.")
@click.option(
    "--timeout", "timeout_s", type=Seconds(MAX_TIMEOUT_S), metavar="SECONDS",
    help=f"Time that one attempt may run, at most {MAX_TIMEOUT_S}. Default: the type's own limit.",
)  # fmt: skip
@click.option("--max-retries", type=click.IntRange(0, 100), help="Retries after the first attempt. Default: by error.")
@click.option("--queue", metavar="NAME", help="Another queue that may run the type, e.g. cpu_intensive.")
@click.option(
    "--wait", "wait_s", type=Seconds(), is_flag=False, flag_value=WAIT_S, metavar="[SECONDS]",
    help=f"Wait for the end and print the result (without a number: {WAIT_S:g} s). Write it after TYPE.",
)  # fmt: skip
@common_options
def submit(*, wait_s: float | None, common: Common, **fields: Any) -> None:
    """Submit a task of TYPE and print its id.

    `meetingtasks routes` lists the types. With --wait the result is printed instead; the exit code is then 0 when the
    task completed, 1 when it ended otherwise, and 4 when it has not ended in time (it goes on).
    """
    request = {"type": fields.pop("task_type"), **{name: value for name, value in fields.items() if value is not None}}
    for name in ("meeting_id", "user_id"):
        if name in request:
            request[name] = _number_or_name(request[name])
    with open_fleet(common) as fleet:
        accepted = fleet.dispatcher.dispatch(request)
        if wait_s is None:
            _accepted(accepted.task_id, accepted.status.value, as_json=common.as_json)
            return
        _ended(_wait(fleet, accepted.task_id, wait_s), as_json=common.as_json)


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text  # noqa: PLR2004 - 64 bits


def _accepted(task_id: str, state: str, *, as_json: bool) -> None:
    if as_json:
        output.document({"task_id": task_id, "state": state})
    else:
        output.line(task_id)
        output.note(f"{state}; follow it with: meetingtasks watch {task_id}")


def _wait(fleet: Fleet, task_id: str, wait_s: float) -> Snapshot:
    output.note(f"submitted {task_id}")
    last: Snapshot | None = None
    with live_view() as view:
        for last in follow(fleet, task_id, timeout_s=wait_s):
            view.show(last)
    assert last is not None  # noqa: S101 - follow() yields at least once or raises
    return last


def _ended(last: Snapshot, *, as_json: bool) -> None:
    if as_json or last.record.state != "completed":
        end(last, as_json=as_json)
    else:
        output.document(last.record.result)
