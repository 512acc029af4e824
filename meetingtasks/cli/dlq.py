"""``meetingtasks dlq``: looking at dead letters; what is done about them is in ``dlq_acts`` and ``dlq_redrive``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.dlq_acts import edit, purge, requeue
from meetingtasks.cli.dlq_options import open_letters, where_options
from meetingtasks.cli.dlq_redrive import redrive
from meetingtasks.cli.views import attempt_table, moment, task_details
from meetingtasks.dead_letters import Where
from meetingtasks.records import Generation, TaskRecord

_EXAMPLES = (
    "meetingtasks dlq groups",
    "meetingtasks dlq list --type transcode --class network --since 2026-01-31T09:00:00Z",
    "meetingtasks dlq show 7c0e5a3e-4a0f-4f0e-9d0a-0d6f6f0e5a3e",
    "meetingtasks dlq count --queue ai_tasks",
    "meetingtasks dlq requeue 7c0e5a3e-4a0f-4f0e-9d0a-0d6f6f0e5a3e",
    "meetingtasks dlq redrive start --fingerprint 3f2a9c0d1e2b --rate 20 --canary 10 --stop-above 20",
    "meetingtasks dlq purge --fingerprint 3f2a9c0d1e2b --yes",
    "meetingtasks dlq audit --json",
)
_BY = ("fingerprint", "type", "error_class", "code", "queue")


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def dlq() -> None:
    """Look at dead letters: tasks that failed for the last time. Edit, requeue, redrive or purge them.

    A letter is kept until somebody requeues or purges it; who did so is kept too (`dlq audit`).
    """


@dlq.command(cls=Command, examples=(_EXAMPLES[3],))
@where_options
@common_options
def count(*, where: Where, common: Common) -> None:
    """Count the letters that fulfil the conditions."""
    with open_letters(common) as letters:
        number = letters.count(where)
    if common.as_json:
        output.document({"count": number})
    else:
        output.line(str(number))


@dlq.command(name="list", cls=Command, examples=(_EXAMPLES[1],))
@where_options
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most this many.")
@click.option("--after", metavar="PLACE", help="Where the page before ended; it prints the place.")
@common_options
def list_letters(*, where: Where, limit: int, after: str | None, common: Common) -> None:
    """List letters, the newest first."""
    with open_letters(common) as letters:
        page = letters.find(where, limit=limit, after=after)
    if common.as_json:
        output.document({"letters": [letter.as_dict() for letter in page.letters], "after": page.after})
        return
    output.table(("task", "type", "queue", "died", "code", "message"), [_row(letter) for letter in page.letters])
    if page.after is not None:
        output.note(f"there are more: add --after {page.after}")


@dlq.command(cls=Command, examples=(_EXAMPLES[0], "meetingtasks dlq groups --by type --json"))
@click.option("--by", type=click.Choice(_BY), default=_BY[0], show_default=True, help="What a group has in common.")
@common_options
def groups(*, by: Any, common: Common) -> None:
    """Count the letters by kind, the largest group first.

    One fingerprint stands for one type of task that fails with one kind of error at one place of the code.
    """
    with open_letters(common) as letters:
        found = letters.groups(by)
    if common.as_json:
        output.document([asdict(group) for group in found])
        return
    titles = (by, "count", "first", "last", *(("type", "code") if by == _BY[0] else ()), "example", "newest message")
    output.table(
        titles,
        [
            (
                *(group.by, group.count, moment(group.first_ms), moment(group.last_ms)),
                *((group.type, group.code) if by == _BY[0] else ()),
                *(group.example, group.message.partition("\n")[0][:200]),
            )
            for group in found
        ],
    )


@dlq.command(cls=Command, examples=(_EXAMPLES[2],))
@click.argument("task_id")
@common_options
def show(*, task_id: str, common: Common) -> None:
    """Show a letter: payload, error with traceback, attempts, and its earlier generations."""
    with open_letters(common) as letters:
        letter = letters.get(task_id)
    if common.as_json:
        output.document(letter.as_dict())
        return
    task_details(letter)
    if letter.error is not None:
        about = f"{letter.error.exc_module}.{letter.error.exc_type}".strip(".")
        output.line(f"\nfingerprint {letter.error.fingerprint}; {letter.error.error_class} error; {about}")
        output.line(letter.error.traceback.rstrip())
    attempt_table(letter)
    if letter.earlier:
        output.table(("generation", "ended", "as", "error", "requeued", "by"), [_life(life) for life in letter.earlier])


@dlq.command(cls=Command, examples=(_EXAMPLES[7],))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most this many.")
@common_options
def audit(*, limit: int, common: Common) -> None:
    """List who did what to dead letters, the newest first."""
    with open_letters(common) as letters:
        acts = letters.audit(limit)
    if common.as_json:
        output.document(acts)
        return
    rows = [
        (act["action"], act["task"] or act.get("act", ""), act["actor"], moment(int(act["at_ms"])), act.get("to", ""))
        for act in acts
    ]
    output.table(("action", "task", "actor", "at", "to"), rows)


def _row(letter: TaskRecord) -> tuple[object, ...]:
    error = letter.error
    code, message = (error.code, error.message.partition("\n")[0][:200]) if error else ("", "")
    return letter.id, letter.type, letter.queue, moment(letter.ended_ms), code, message


def _life(life: Generation) -> tuple[object, ...]:
    code = life.error.code if life.error else ""
    return life.generation, moment(life.ended_ms), life.state, code, moment(life.requeued_ms), life.requeued_by


for command in (edit, requeue, redrive, purge):
    dlq.add_command(command)
