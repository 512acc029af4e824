"""``meetingtasks up``: a private server and one worker per service on this machine, together until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from meetingtasks import settings as settings_module
from meetingtasks.cli import output, services
from meetingtasks.cli.command import Command, json_option
from meetingtasks.cli.server_file import ServerFile
from meetingtasks.cli.server_guard import ServerGuard
from meetingtasks.clock import SYSTEM
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import MeetingTasksError
from meetingtasks.processes import ProcessGroup, Program

#: what the server keeps survives a restart
SERVER_DIRECTORY: Final = Path("var/server")
READY_WITHIN_S: Final = 120.0


@click.command(
    cls=Command,
    examples=("meetingtasks up", "meetingtasks up --services ai,media,meeting --port 6380"),
)
@click.option(
    "--services", "names", metavar="NAMES", help="Services to run, separated by commas. Default: all that are here."
)
@click.option(
    "-c", "--concurrency", type=click.IntRange(1, services.MOST_AT_ONCE), metavar="N",
    help="Tasks at once for every service. Default: as `meetingtasks worker --help` says.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(1, 65_535),
    help="Listen on this port of 127.0.0.1, with a password, instead of a unix socket.",
)  # fmt: skip
@json_option
def up(*, names: str | None, concurrency: int | None, port: int | None, as_json: bool) -> None:
    """Run a private server and one worker per service here, until Ctrl-C or SIGTERM.

    The server's data stay in var/server, so accepted tasks survive a restart; recordings and results in var/storage.
    Its address is written to var/run/server.json (readable by this user only): other `meetingtasks` commands in this
    directory find it there, unless MT_BROKER_URL or --broker-url names another. It ends with everything it started;
    a second `up` in the same directory is refused.
    """
    wanted = services.checked(names) if names is not None else services.present()
    settings_module.load()  # wrong settings are told once here, not by every worker
    with ServerFile() as note, EmbeddedServer(SERVER_DIRECTORY, port=port) as server, ServerGuard(server):
        note.write(server.url)
        programs = worker_programs(wanted, server.url, concurrency=concurrency)
        group = ProcessGroup(programs, stream=sys.stderr if as_json else sys.stdout)
        teller = threading.Thread(
            target=_tell_when_ready, args=(group, wanted, server.url), kwargs={"as_json": as_json}, daemon=True
        )
        teller.start()
        code = group.run()
    output.note("everything is stopped; data and results stay in var/")
    if code:
        raise click.exceptions.Exit(code)


def worker_programs(
    wanted: Sequence[str],
    broker_url: str,
    *,
    concurrency: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Program]:
    """Return one worker per service, each named as its service."""
    extra = () if concurrency is None else ("--concurrency", str(concurrency))
    return [
        Program(
            name=service,
            command=(sys.executable, "-m", "meetingtasks.cli", "worker", service, "--name", service, *extra),
            environment={"MT_BROKER_URL": broker_url, **(environment or {})},
        )
        for service in wanted
    ]


def wait_until_ready(dispatcher: TaskDispatcher, count: int, *, within_s: float = READY_WITHIN_S) -> list[str]:
    """Return the names of the workers once ``count`` of them answer; MeetingTasksError when they do not."""
    deadline_s = SYSTEM.monotonic_s() + within_s
    answered: set[str] = set()
    while len(answered) < count:
        if SYSTEM.monotonic_s() > deadline_s:
            raise MeetingTasksError(
                f"only {len(answered)} of {count} workers answered within {within_s:g} s", code="workers_not_ready"
            )
        replies = dispatcher.app.control.ping(timeout=0.5)
        answered |= {name for reply in replies or [] for name in reply}
    return sorted(answered)


def _tell_when_ready(group: ProcessGroup, wanted: Sequence[str], url: str, *, as_json: bool) -> None:
    with suppress(BrokenPipeError), TaskDispatcher(url) as dispatcher:  # nobody reads any more: the fleet goes on
        try:
            wait_until_ready(dispatcher, len(wanted))
        except MeetingTasksError as error:
            output.note(f"error: {error.message}; the lines above say why")
            return
        if as_json:
            output.document({"state": "ready", "broker_url": url, "services": list(wanted), "pids": group.pids()})
        else:
            output.line(_READY.format(services=", ".join(wanted)))


_READY = """
ready: {services}
  in another terminal, in this directory:
    meetingtasks status
    meetingtasks submit emotion_detection --payload '{{"text": "What a good idea!"}}' --wait
  Ctrl-C stops everything
"""
