"""``meetingtasks demo``: the command and its options; what it does is loaded when it runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from meetingtasks.cli.command import Command, json_option


@click.command(
    cls=Command,
    examples=(
        "meetingtasks demo",
        "meetingtasks demo --audio my-meeting.m4a",
        "meetingtasks demo --chaos",
        "meetingtasks demo --json | jq -r .transcript.text",
    ),
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Your own recording: wav, mp3, m4a, mp4, webm, … Default: the sample meeting.",
)
@click.option(
    "--language",
    default="auto",
    show_default=True,
    help="The language spoken, e.g. en; the engine on board knows English.",
)
@json_option
@click.option("--keep", is_flag=True, help="Keep the server's data and the storage too, in var/demo-TIME.")
@click.option("--chaos", is_flag=True, help="Kill a worker with SIGKILL in the middle, and see the run complete.")
def demo(*, audio: Path | None, language: str, as_json: bool, keep: bool, chaos: bool) -> None:
    """Turn a recording into a transcript and minutes, with a private server and real workers, and show every stage.

    The files are copied to var/demo/RUN_ID. Exits with 0 only when the run has completed.
    """
    run = importlib.import_module("workers.demo.run")  # the engines' libraries take seconds to load
    code = run.demonstrate(
        run.Wishes(audio=audio, language=language, as_json=as_json, keep=keep, chaos=chaos),
    )
    if code:
        raise click.exceptions.Exit(code)
