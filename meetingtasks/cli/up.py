"""``meetingtasks up``: a private server, one worker per service and the HTTP API here, together until Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from meetingtasks import settings as settings_module
from meetingtasks.access import SCOPES
from meetingtasks.cli import output, services
from meetingtasks.cli.command import Command, Common, json_option
from meetingtasks.cli.fleet import wait_until_ready
from meetingtasks.cli.keys import open_keys
from meetingtasks.cli.server_file import ServerFile
from meetingtasks.cli.server_guard import ServerGuard
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.processes import ProcessGroup, Program

#: on top of what a worker waits for its tasks: for its own end, before it is killed
WORKERS_OWN_END_S: Final = 30.0
#: a worker that gets a second signal gives its tasks back within 2 s
WORKERS_HURRY_S: Final = 4.0
#: what the server keeps survives a restart
SERVER_DIRECTORY: Final = Path("var/server")
#: for this user only: a key with every right, made anew at each start; the API's address
API_KEY: Final = Path("var/run/api-key")
API_NOTE: Final = Path("var/run/api-url")
API_KEY_NAME: Final = "up"


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
    """Run a private server, one worker per service and the HTTP API here, until Ctrl-C or SIGTERM.

    The server's data stay in var/server, so accepted tasks survive a restart; recordings and results in var/storage.
    Its address is written to var/run/server.json (readable by this user only): other `meetingtasks` commands in this
    directory find it there, unless MT_BROKER_URL or --broker-url names another. It ends with everything it started;
    a second `up` in the same directory is refused.

    The HTTP API listens on 127.0.0.1 at MT_API_PORT, or at a free port when that one is taken. It wants the key that
    is written to var/run/api-key at each start, for this user only.

    Stopping, it waits up to MT_MAX_SHUTDOWN_WAIT_S seconds for running tasks; a second Ctrl-C gives them back at once.
    """
    wanted = services.checked(names) if names is not None else services.present()
    wait_s = settings_module.load().max_shutdown_wait_s  # wrong settings are told once here, not by every worker
    with ServerFile() as note, EmbeddedServer(SERVER_DIRECTORY, port=port) as server, ServerGuard(server):
        note.write(server.url)
        extra = () if concurrency is None else ("--concurrency", str(concurrency))
        workers = (services.worker_program(name, server.url, *extra) for name in wanted)
        programs = [replace(one, grace_s=wait_s + WORKERS_OWN_END_S, hurry_s=WORKERS_HURRY_S) for one in workers]
        programs.append(_api_program(server.url))
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
            api = _api_address(lambda: not ended.is_set())
        except Exception as error:  # noqa: BLE001 - told below; the fleet does not depend on this thread
            if not ended.is_set():
                output.note(f"error: {error}; the lines above say why")
            return
        if as_json:
            about = {
                "state": "ready",
                "broker_url": url,
                "api_url": api,
                "services": list(wanted),
                "pids": group.pids(),
            }
            output.document(about)
        else:
            output.line(_READY.format(services=", ".join(wanted), api=api))


def _api_program(broker_url: str) -> Program:
    """Return the HTTP API on this machine alone; only who can read its key's file gets in."""
    API_NOTE.unlink(missing_ok=True)
    with open_keys(Common(broker_url=broker_url, as_json=False)) as keys:
        for old in keys.all():
            if old.name == API_KEY_NAME:
                keys.revoke(old.id)
        _, text = keys.create(API_KEY_NAME, SCOPES)
    API_KEY.unlink(missing_ok=True)
    with os.fdopen(os.open(API_KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    options = ("--host", "127.0.0.1", "--or-free-port", "--note", str(API_NOTE))
    command = (sys.executable, "-m", "meetingtasks.cli", "api", *options)
    return Program(name="api", command=command, environment={"MT_BROKER_URL": broker_url}, stage=1)


def _api_address(alive: Callable[[], bool]) -> str:
    """Wait for the API's address, which it writes when it answers."""
    while not API_NOTE.is_file() and alive():
        time.sleep(0.05)
    return API_NOTE.read_text("utf-8") if API_NOTE.is_file() else ""


_READY = """
ready: {services}
  HTTP API: {api}/api/v1/docs, with the key in var/run/api-key
  in another terminal, in this directory:
    meetingtasks status
    meetingtasks submit emotion_detection --payload '{{"text": "What a good idea!"}}' --wait
  Ctrl-C stops everything
"""
