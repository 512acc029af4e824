"""The entry point ``meetingtasks``: finds the command, and turns whatever happens into output and an exit code."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, NoReturn

import click

from meetingtasks.cli import exit_codes, output

PROGRAM: Final = "meetingtasks"
#: set by the code that `_MEETINGTASKS_COMPLETE=bash_source meetingtasks` prints for a shell's start-up file
COMPLETION: Final = "_MEETINGTASKS_COMPLETE"
#: entry points by which other packages bring commands of their own
PLUGIN_GROUP: Final = "meetingtasks.commands"


@dataclass(frozen=True)
class Place:
    """Where a command is found, and what the list of commands says of it, so that listing loads none of them."""

    module: str
    summary: str


COMMANDS: Final[Mapping[str, Place]] = {
    "up": Place("meetingtasks.cli.up", "Run a private server and all workers here until Ctrl-C."),
    "api": Place("meetingtasks.cli.api", "Serve the HTTP API."),
    "keys": Place("meetingtasks.cli.keys", "Make, list and revoke the keys of the HTTP API."),
    "worker": Place("meetingtasks.cli.worker", "Run the worker of one service."),
    "submit": Place("meetingtasks.cli.submit", "Submit a task."),
    "status": Place("meetingtasks.cli.status", "Show the fleet's tasks and runs, or one of them."),
    "watch": Place("meetingtasks.cli.watch", "Follow a task or run until it ends."),
    "result": Place("meetingtasks.cli.result", "Print the result of a task."),
    "cancel": Place("meetingtasks.cli.cancel", "Cancel a task, a whole meeting, or what a filter finds."),
    "rerun": Place("meetingtasks.cli.rerun", "Run a recording's pipeline again from one of its stages."),
    "queues": Place("meetingtasks.cli.queues", "Look into the queues: counts, what comes next, why a task waits."),
    "dlq": Place("meetingtasks.cli.dlq", "Look at dead letters; edit, requeue, redrive or purge them."),
    "quarantine": Place("meetingtasks.cli.quarantine", "Look at malformed messages; put them back or drop them."),
    "outbox": Place("meetingtasks.cli.outbox", "Look at tasks kept here while the broker is away; send them on."),
    "events": Place("meetingtasks.cli.events", "Hear the fleet's events, read those that were kept, publish one."),
    "webhooks": Place("meetingtasks.cli.webhooks", "Look at deliveries to other systems; repeat them."),
    "routes": Place("meetingtasks.cli.routes", "List task types and their queues; add and remove routes."),
}
#: brought by the services' package, also where it runs from a checkout that was never installed
_PLUGINS: Final = {"demo": "workers.demo.command:demo"}


class Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, the shortest way to see something first."""
        del ctx
        return [*_plugins(), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command, or return None."""
        del ctx
        place = COMMANDS.get(cmd_name)
        if place is not None:
            return _load(place.module, cmd_name)
        target = _plugins().get(cmd_name)
        return None if target is None else _load(*target.split(":", 1))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        rows = [
            (name, command.get_short_help_str(80)) for name in _plugins() if (command := self.get_command(ctx, name))
        ]
        rows += [(name, place.summary) for name, place in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except ImportError as error:  # one package that is broken must not hide the others' commands
            return f"(cannot be loaded: {error})"
        return "" if command is None else command.get_short_help_str(80)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of exit codes."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exit_codes.MEANINGS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def commands(*, debug: bool) -> None:
    """Run the task fleet behind a video-meeting platform, and see what it does.

    `meetingtasks demo` turns a recording into minutes on this machine, with nothing to set up. `meetingtasks up` runs
    the whole fleet here; `meetingtasks submit` and `meetingtasks status` in another terminal find it by themselves.
    """
    del debug  # main() looks for it, since an error may come before this runs


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are told, never raised."""
    output.prepare_streams()
    logging.getLogger().addHandler(logging.NullHandler())  # a library's warning is no part of a command's answer
    try:
        return _invoke(arguments)
    except (KeyboardInterrupt, click.Abort):
        output.note("interrupted")
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        output.abandon_stdout()
        return exit_codes.OK
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _tell(exit_codes.translated(error), as_json="--json" in arguments)


def _invoke(arguments: Sequence[str]) -> int:
    if COMPLETION in os.environ:  # a shell asks what could follow
        commands.main(prog_name=PROGRAM)
    try:
        # not main(): that one answers a closed pipe with an exit code of its own
        with commands.make_context(PROGRAM, list(arguments)) as context:
            commands.invoke(context)
        code = exit_codes.OK
    except click.exceptions.Exit as error:
        code = error.exit_code
    except SystemExit as error:  # Celery's worker ends so
        code = error.code if isinstance(error.code, int) else exit_codes.FAILED
    sys.stdout.flush()
    return code


def _tell(error: Exception, *, as_json: bool) -> int:
    body = exit_codes.body_of(error)
    try:
        if as_json:
            output.document({"error": body})
        output.note(f"error: {body['message']}")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            output.note(f"see: {error.ctx.command_path} --help")
        sys.stdout.flush()
    except BrokenPipeError:
        output.abandon_stdout()
    return exit_codes.code_of(error)


def _plugins() -> dict[str, str]:
    found = {entry.name: entry.value for entry in metadata.entry_points(group=PLUGIN_GROUP)}
    return {name: target for name, target in (_PLUGINS | found).items() if name not in COMMANDS}


def _load(module: str, name: str) -> click.Command:
    command: Any = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)  # noqa: S101 - a test loads every command
    return command
