"""``meetingtasks dlq edit | requeue | purge``: what is decided about dead letters."""

from __future__ import annotations

import sys
from typing import Any

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options
from meetingtasks.cli.dlq_options import actor_option, open_letters, where_options
from meetingtasks.cli.payload import PayloadParam
from meetingtasks.dead_letters import DeadLetters, Requeued, Where
from meetingtasks.dead_letters.where import EVERY
from meetingtasks.errors import MeetingTasksError

_ID = "7c0e5a3e-4a0f-4f0e-9d0a-0d6f6f0e5a3e"


@click.command(
    cls=Command,
    examples=(
        f"meetingtasks dlq edit {_ID} --payload @corrected.json --requeue",
        f"""meetingtasks dlq edit {_ID} --payload '{{"text": "hello"}}'""",
    ),
)
@click.argument("task_id")
@click.option("--payload", type=PayloadParam(), required=True, help="The whole new payload.")
@click.option("--requeue", "and_requeue", is_flag=True, help="Run it again at once.")
@actor_option
@common_options
def edit(*, task_id: str, payload: dict[str, Any], and_requeue: bool, actor: str, common: Common) -> None:
    """Give a letter another payload, which must fit its type; both payloads are kept in the audit."""
    with open_letters(common) as letters:
        letter = letters.edit(task_id, payload, actor=actor)
        if and_requeue:
            _raise_first(letters.requeue([task_id], actor=actor))
    if common.as_json:
        output.document({"task_id": task_id, "payload": letter.payload, "requeued": and_requeue})
    else:
        output.line(f"{task_id} has its new payload" + (" and waits in its queue" if and_requeue else ""))


@click.command(
    cls=Command,
    examples=(
        f"meetingtasks dlq requeue {_ID}",
        "meetingtasks dlq requeue --type transcode --limit 100",
        f"meetingtasks dlq requeue {_ID} --to cpu_intensive",
        "meetingtasks dlq requeue --all",
    ),
)
@click.argument("task_ids", nargs=-1)
@where_options
@click.option("--all", "every", is_flag=True, help="Every letter there is.")
@click.option("--limit", type=click.IntRange(1), help="At most this many, the oldest first.")
@click.option("--to", "target", metavar="QUEUE", help="Another queue that may run the type. Default: where it was.")
@actor_option
@common_options
def requeue(
    *,
    task_ids: tuple[str, ...],
    where: Where,
    every: bool,
    limit: int | None,
    target: str | None,
    actor: str,
    common: Common,
) -> None:
    """Run letters again: those of TASK_IDS, or all that fulfil the conditions. For many, see `dlq redrive`.

    A requeued task keeps its id and its history, and gets all its attempts anew. The exit code is 1 when a letter that
    was named, or all that were meant, could not be requeued.
    """
    _check_choice(task_ids, where, every=every)
    with open_letters(common) as letters:
        if task_ids:
            outcome = letters.requeue(task_ids, actor=actor, queue=target)
        else:
            outcome = letters.requeue_matching(where, actor=actor, limit=limit, queue=target)
    if task_ids and len(task_ids) == 1:
        _raise_first(outcome)
    if common.as_json:
        refused = {task_id: problem.body() for task_id, problem in outcome.refused.items()}
        output.document({"requeued": outcome.task_ids, "refused": refused})
    else:
        output.line(f"{len(outcome.task_ids)} letters wait in their queues again")
        for task_id, problem in outcome.refused.items():
            output.note(f"{task_id} stays: {problem.message}")
    if outcome.refused and (task_ids or not outcome.task_ids):
        raise click.exceptions.Exit(1)


@click.command(
    cls=Command,
    examples=(
        f"meetingtasks dlq purge {_ID} --yes",
        "meetingtasks dlq purge --until 2026-01-01T00:00:00Z",
        "meetingtasks dlq purge --all --yes --json",
    ),
)
@click.argument("task_ids", nargs=-1)
@where_options
@click.option("--all", "every", is_flag=True, help="Every letter there is.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
@actor_option
@common_options
def purge(*, task_ids: tuple[str, ...], where: Where, every: bool, yes: bool, actor: str, common: Common) -> None:
    """Give letters up: those of TASK_IDS, or all that fulfil the conditions. This cannot be undone.

    Their records go as those of other ended tasks do; the audit keeps who gave them up.
    """
    _check_choice(task_ids, where, every=every)
    with open_letters(common) as letters:
        if not yes:
            _confirm(letters, task_ids, where)
        if task_ids:
            purged = letters.purge(task_ids, actor=actor)
        else:
            purged = letters.purge_matching(where, actor=actor)
    if common.as_json:
        output.document({"purged": purged})
    else:
        output.line(f"{purged} letters were given up")
    if task_ids and purged < len(set(task_ids)):
        output.note(f"{len(set(task_ids)) - purged} of the ids are no dead letters")
        raise click.exceptions.Exit(1)


def _check_choice(task_ids: tuple[str, ...], where: Where, *, every: bool) -> None:
    """Refuse to guess: ids, conditions or everything, exactly one of them."""
    if sum((bool(task_ids), where != EVERY, every)) != 1:
        raise click.UsageError("name letters, or conditions, or --all")


def _confirm(letters: DeadLetters, task_ids: tuple[str, ...], where: Where) -> None:
    number = len(task_ids) or letters.count(where)
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is there to confirm that {number} letters are given up; add --yes")
    click.confirm(f"give up {number} dead letters for good?", abort=True, err=True)


def _raise_first(outcome: Requeued) -> None:
    problem: MeetingTasksError
    for problem in outcome.refused.values():
        raise problem
