"""``meetingtasks dlq redrive``: requeue many dead letters at a rate, and stop when too many of them fail again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from meetingtasks.cli import exit_codes, output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.dlq_options import actor_option, open_letters, where_options
from meetingtasks.cli.views import duration, moment
from meetingtasks.clock import SYSTEM
from meetingtasks.dead_letters import DeadLetters, Redrive, RedrivePlan, Where

_EXAMPLES = (
    "meetingtasks dlq redrive start --fingerprint 3f2a9c0d1e2b --rate 20 --canary 10 --stop-above 20",
    "meetingtasks dlq redrive list",
    "meetingtasks dlq redrive show 5d0c1f2e3a4b",
    "meetingtasks dlq redrive pause 5d0c1f2e3a4b",
    "meetingtasks dlq redrive resume 5d0c1f2e3a4b",
    "meetingtasks dlq redrive abort 5d0c1f2e3a4b",
)
_TELL_EVERY_S = 1.0


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def redrive() -> None:
    """Requeue many letters at a rate.

    The command that started or resumed a redrive drives it until it ends; Ctrl-C pauses it. How far it is stands on the
    server: after a crash `resume` goes on where it was, without losing a letter or sending one twice.
    """


@redrive.command(cls=Command, examples=(_EXAMPLES[0],))
@where_options
@click.option("--rate", "rate_per_s", type=float, required=True, metavar="N", help="Letters per second.")
@click.option("--to", "target", metavar="QUEUE", help="Another queue that may run the type. Default: where each was.")
@click.option("--limit", type=click.IntRange(1), help="At most this many, the oldest first.")
@click.option("--canary", type=click.IntRange(0), default=0, help="So many go first; the others when these have ended.")
@click.option(
    "--stop-above", "stop_above_percent", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Stop when more of the ended tasks than this failed again (from 20 ends on, or the canary).",
)  # fmt: skip
@actor_option
@common_options
def start(*, where: Where, target: str | None, actor: str, common: Common, **plan: Any) -> None:
    """Requeue all letters that fulfil the conditions (without any: every letter) and that are dead by now.

    The exit code is 0 when all went, 1 when it was stopped or aborted, and 4 when it was paused.
    """
    with open_letters(common) as letters:
        planned = letters.redrives.plan(where, RedrivePlan(queue=target, **plan), actor=actor)
        _drive(letters, planned, actor, common)


@redrive.command(cls=Command, examples=(_EXAMPLES[4],))
@click.argument("redrive_id")
@actor_option
@common_options
def resume(*, redrive_id: str, actor: str, common: Common) -> None:
    """Go on with a redrive that was paused, or whose process died."""
    with open_letters(common) as letters:
        _drive(letters, letters.redrives.get(redrive_id), actor, common)


@redrive.command(cls=Command, examples=(_EXAMPLES[3],))
@click.argument("redrive_id")
@actor_option
@common_options
def pause(*, redrive_id: str, actor: str, common: Common) -> None:
    """Hold a redrive; `resume` goes on with it."""
    with open_letters(common) as letters:
        _show(letters.redrives.pause(redrive_id, actor=actor), common)


@redrive.command(cls=Command, examples=(_EXAMPLES[5],))
@click.argument("redrive_id")
@actor_option
@common_options
def abort(*, redrive_id: str, actor: str, common: Common) -> None:
    """End a redrive; what it has not requeued stays dead."""
    with open_letters(common) as letters:
        _show(letters.redrives.abort(redrive_id, actor=actor), common)


@redrive.command(cls=Command, examples=(_EXAMPLES[2],))
@click.argument("redrive_id")
@common_options
def show(*, redrive_id: str, common: Common) -> None:
    """Show how far a redrive is, and how many of its tasks have ended and failed again."""
    with open_letters(common) as letters:
        _show(letters.redrives.get(redrive_id), common)


@redrive.command(name="list", cls=Command, examples=(_EXAMPLES[1],))
@common_options
def list_redrives(*, common: Common) -> None:
    """List redrives, the newest first; those that are over are kept for a week."""
    with open_letters(common) as letters:
        found = letters.redrives.all()
    if common.as_json:
        output.document([_document(one) for one in found])
    else:
        rows = [(r.id, r.state, moment(r.created_ms), r.actor, f"{r.requeued}/{r.matched}", r.failed) for r in found]
        output.table(("redrive", "state", "started", "by", "requeued", "failed again"), rows)


def _drive(letters: DeadLetters, planned: Redrive, actor: str, common: Common) -> None:
    output.note(f"redrive {planned.id}: {planned.matched} letters at {planned.plan.rate_per_s:g} per second")
    try:
        ended = letters.redrives.drive(planned.id, actor=actor, on_progress=_teller(planned))
    except KeyboardInterrupt:
        letters.redrives.pause(planned.id, actor=actor)
        output.note(f"paused; go on with: meetingtasks dlq redrive resume {planned.id}")
        raise
    _show(ended, common)
    code = {"done": exit_codes.OK, "paused": exit_codes.NOT_FINISHED, "running": exit_codes.NOT_FINISHED}
    if code.get(ended.state, exit_codes.FAILED):
        raise click.exceptions.Exit(code.get(ended.state, exit_codes.FAILED))


def _teller(planned: Redrive) -> Callable[[Redrive], None]:
    began_s, told_s = SYSTEM.monotonic_s(), 0.0

    def tell(now: Redrive) -> None:
        nonlocal told_s
        moment_s = SYSTEM.monotonic_s()
        if moment_s - told_s < _TELL_EVERY_S:
            return
        told_s, went = moment_s, now.requeued - planned.requeued
        rate = went / max(moment_s - began_s, _TELL_EVERY_S)
        left_s = max(0, now.matched - now.requeued - now.refused) / now.plan.rate_per_s
        again = f", {now.failed} of {now.ended} ended ones failed again" if now.ended else ""
        output.note(f"{now.requeued}/{now.matched} requeued, {rate:.1f}/s, {duration(left_s)} left{again}")

    return tell


def _show(one: Redrive, common: Common) -> None:
    if common.as_json:
        output.document(_document(one))
        return
    facts = [
        ("redrive", one.id),
        ("state", one.state + (f": {one.reason}" if one.reason else "")),
        ("letters", ", ".join(f"{name}={value}" for name, value in one.where.items()) or "every"),
        ("requeued", f"{one.requeued} of {one.matched}" + (f", {one.refused} refused" if one.refused else "")),
        ("failed again", f"{one.failed} of {one.ended} that have ended"),
        ("by", f"{one.actor}, {moment(one.created_ms)}"),
    ]
    output.table(("", ""), facts)


def _document(one: Redrive) -> dict[str, Any]:
    fields = asdict(one)
    del fields["driver"]  # the token by which its process acts
    return {**fields, "position": None if one.position is None else str(one.position)}
