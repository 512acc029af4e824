"""``meetingtasks quarantine``: messages that were no messages, set aside with their bytes and the reason."""

from __future__ import annotations

from typing import Any

import click

from meetingtasks.broker import Quarantined
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.queues import open_queues

_EXAMPLES = (
    "meetingtasks quarantine list --json",
    "meetingtasks quarantine show 3f2a9c0d1e2b4a5c",
    "meetingtasks quarantine requeue 3f2a9c0d1e2b4a5c",
    "meetingtasks quarantine purge --yes",
)
_SHOWN_BYTES = 4096


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def quarantine() -> None:
    """Look at malformed messages; put them back or drop them."""


@quarantine.command(name="list", cls=Command, examples=(_EXAMPLES[0],))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most this many.")
@common_options
def list_entries(*, limit: int, common: Common) -> None:
    """List what was set aside, the newest first."""
    entries = open_queues(common).quarantine.entries(limit)
    if common.as_json:
        output.document([_row(entry) for entry in entries])
    else:
        rows = [(entry.id, entry.queue, str(entry.at_ms), str(len(entry.raw)), entry.reason) for entry in entries]
        output.table(("id", "queue", "at_ms", "bytes", "reason"), rows)


@quarantine.command(cls=Command, examples=(_EXAMPLES[1],))
@click.argument("entry_id")
@common_options
def show(*, entry_id: str, common: Common) -> None:
    """Show one entry with its raw bytes (escaped, the first 4 KiB)."""
    row = _row(open_queues(common).quarantined(entry_id))
    if common.as_json:
        output.document(row)
        return
    for name, value in row.items():
        output.line(f"{name:>8}  {value}")


@quarantine.command(cls=Command, examples=(_EXAMPLES[2],))
@click.argument("entry_ids", nargs=-1, required=True)
@common_options
def requeue(*, entry_ids: tuple[str, ...], common: Common) -> None:
    """Put entries back where they came from, to be looked at anew."""
    went = open_queues(common).quarantine.requeue(entry_ids)
    if common.as_json:
        output.document({"requeued": went})
    else:
        output.line(f"{len(went)} of {len(entry_ids)} went back")


@quarantine.command(cls=Command, examples=(_EXAMPLES[3],))
@click.argument("entry_ids", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def purge(*, entry_ids: tuple[str, ...], yes: bool, common: Common) -> None:
    """Drop these entries, or all when none is named."""
    opened = open_queues(common).quarantine
    if not entry_ids and not yes:
        click.confirm(f"drop all {opened.size()} entries?", abort=True, err=True)
    purged = opened.purge(entry_ids or None)
    if common.as_json:
        output.document({"purged": purged})
    else:
        output.line(f"{purged} entries were dropped")


def _row(entry: Quarantined) -> dict[str, Any]:
    shown = entry.raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return {
        "id": entry.id,
        "queue": entry.queue,
        "reason": entry.reason,
        "at_ms": entry.at_ms,
        "bytes": len(entry.raw),
        "raw": shown.encode("unicode_escape").decode("ascii"),
    }
