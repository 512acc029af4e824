"""``meetingtasks up``: a private server and one worker per service on this machine, together until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from meetingtasks import settings as settings_module
from meetingtasks.cli import output, services
from meetingtasks.cli.command import Command, json_option
from meetingtasks.cli.fleet import wait_until_ready
from meetingtasks.cli.server_file import ServerFile
from meetingtasks.cli.server_guard import ServerGuard
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.processes import ProcessGroup

#: on top of what a worker waits for its tasks: for its own end, before it is killed
WORKERS_OWN_END_S: Final = 30.0
#: a worker that gets a second signal gives its tasks back within 2 s
WORKERS_HURRY_S: Final = 4.0
#: what the server keeps survives a restart
SERVER_DIRECTORY: Final = Path("var/server")


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

    Stopping, it waits up to MT_MAX_SHUTDOWN_WAIT_S seconds for running tasks; a second Ctrl-C gives them back at once.
    """
    wanted = services.checked(names) if names is not None else services.present()
    wait_s = settings_module.load().max_shutdown_wait_s  # wrong settings are told once here, not by every worker
    with ServerFile() as note, EmbeddedServer(SERVER_DIRECTORY, port=port) as server, ServerGuard(server):
        note.write(server.url)
        extra = () if concurrency is None else ("--concurrency", str(concurrency))
        workers = (services.worker_program(name, server.url, *extra) for name in wanted)
        programs = [replace(one, grace_s=wait_s + WORKERS_OWN_END_S, hurry_s=WORKERS_HURRY_S) for one in workers]
        group = ProcessGroup(programs, stream=sys.stderr if as_json else sys.stdout)
        ended = threading.Event()
        arguments = (group, ended, wanted, server.url)
        threading.Thread(target=_tell_when_ready, args=arguments, kwargs={"as_json": as_json}, daemon=True).start()
        code = group.run()
        ended.set()
    output.note("everything is stopped; data and results stay in var/")
    if code:
        raise click.exceptions.Exit(code)


def _tell_when_ready(
    group: ProcessGroup, ended: threading.Event, wanted: Sequence[str], url: str, *, as_json: bool
) -> None:
    with suppress(BrokenPipeError):  # nobody reads any more: the fleet goes on
        try:
            with TaskDispatcher(url) as dispatcher:
                wait_until_ready(dispatcher, len(wanted), alive=lambda: not ended.is_set())
        except Exception as error:  # noqa: BLE001 - told below; the fleet does not depend on this thread
            if not ended.is_set():
                output.note(f"error: {error}; the lines above say why")
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
