"""Writes the command line's reference from the commands: ``python -m meetingtasks.cli.reference FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from meetingtasks.cli import exit_codes
from meetingtasks.cli.main import commands

HEAD = """\
# Command line

Written from the commands by `python -m meetingtasks.cli.reference docs/reference/cli.md`; do not edit.

Results go to standard output, progress and errors to standard error. With `--json`, standard output is exactly one JSON
document, also for an error: `{"error": {"code", "message", "details", "retryable"}}`. A worker prints its log instead;
`MT_LOG_FORMAT=json` makes that one JSON object per line. Secrets in URLs are masked wherever they are shown. A broker
that does not answer is reported within five seconds.

`NO_COLOR` and `TERM=dumb` are heeded. For completion in bash, add to its start-up file:
`eval "$(_MEETINGTASKS_COMPLETE=bash_source meetingtasks)"` (also `zsh_source`, `fish_source`).
"""


def render() -> str:
    """Return the reference as Markdown."""
    context = click.Context(commands, info_name="meetingtasks", help_option_names=["-h", "--help"])
    parts = [HEAD, "\n## Exit codes\n\n| code | meaning |\n|---|---|\n"]
    parts += [f"| {code} | {meaning} |\n" for code, meaning in exit_codes.MEANINGS.items()]
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        if command is not None:
            parts += _section(command, f"meetingtasks {name}", context, level=2)
    return "".join(parts)


def _section(command: click.Command, path: str, parent: click.Context, *, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=path, parent=parent)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield f"\n{'#' * level} {path}\n\n{_prose(command.help or '')}\n\n```\n{usage}\n```\n\n"
    yield from _options(command, context)
    examples: tuple[str, ...] = getattr(command, "examples", ())
    if examples:
        yield "\n```sh\n" + "".join(f"{example}\n" for example in examples) + "```\n"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _section(below, f"{path} {name}", context, level=level + 1)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [record for param in command.get_params(context) if (record := param.get_help_record(context)) is not None]
    yield "| option | |\n|---|---|\n"
    for names, text in rows:
        yield f"| `{_cell(names)}` | {_cell(text)} |\n"


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Write the reference to the file that the arguments name."""
    Path(arguments[0]).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
