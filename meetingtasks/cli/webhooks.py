"""``meetingtasks webhooks``: what was told to other systems, how each attempt went, and one more try."""

from __future__ import annotations

import click

from meetingtasks.callbacks import Webhooks
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.clock import to_datetime

_EXAMPLES = (
    "meetingtasks webhooks list --json",
    "meetingtasks webhooks show 590ed936-31aa-53e6-8497-8fda8c72edaf",
    "meetingtasks webhooks retry 590ed936-31aa-53e6-8497-8fda8c72edaf",
)


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def webhooks() -> None:
    """Look at deliveries to other systems, and repeat them."""


@webhooks.command(name="list", cls=Command, examples=(_EXAMPLES[0],))
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most this many.")
@common_options
def list_deliveries(*, limit: int, common: Common) -> None:
    """List the deliveries of the last seven days, the newest first."""
    with open_fleet(common) as fleet:
        found = Webhooks(fleet.dispatcher).recent(limit)
    if common.as_json:
        output.document([delivery.as_dict() for delivery in found])
        return
    rows = [
        (
            delivery.log.id,
            (delivery.log.refused and "refused") or delivery.state or "-",
            delivery.log.event,
            str(len(delivery.log.attempts)),
            str(delivery.log.attempts[-1].status_code or "-") if delivery.log.attempts else "-",
            delivery.log.url,
        )
        for delivery in found
    ]
    output.table(("delivery", "state", "event", "attempts", "answer", "url"), rows)


@webhooks.command(cls=Command, examples=(_EXAMPLES[1],))
@click.argument("delivery_id")
@common_options
def show(*, delivery_id: str, common: Common) -> None:
    """Show one delivery with its attempts."""
    with open_fleet(common) as fleet:
        delivery = Webhooks(fleet.dispatcher).get(delivery_id)
    if common.as_json:
        output.document(delivery.as_dict())
        return
    for name in ("id", "event", "task_id", "url", "refused"):
        output.line(f"{name:>8}  {getattr(delivery.log, name) or '-'}")
    output.line(f"{'state':>8}  {delivery.state or '-'}\n")
    rows = [
        (
            str(attempt.attempt),
            to_datetime(attempt.at_ms).isoformat(timespec="seconds"),
            str(attempt.took_ms),
            str(attempt.status_code or "-"),
            attempt.error or "-",
        )
        for attempt in delivery.log.attempts
    ]
    output.table(("attempt", "at", "ms", "answer", "error"), rows)


@webhooks.command(cls=Command, examples=(_EXAMPLES[2],))
@click.argument("delivery_id")
@common_options
def retry(*, delivery_id: str, common: Common) -> None:
    """Deliver the same event again; its receiver sees the id of the first time."""
    with open_fleet(common) as fleet:
        again = Webhooks(fleet.dispatcher).retry(delivery_id)
    if common.as_json:
        output.document({"delivery_id": again, "again": delivery_id})
    else:
        output.line(f"{again} delivers it again (see: meetingtasks webhooks show {again})")
