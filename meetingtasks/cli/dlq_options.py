"""What the commands about dead letters share: the conditions by which letters are chosen, and who acts."""

from __future__ import annotations

import functools
import getpass
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from meetingtasks.cli.command import Common
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.dead_letters import DeadLetters, Where
from meetingtasks.states import ErrorClass


class Moment(click.ParamType[int]):
    """A time as ISO 8601, UTC where it names no zone; gives milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; a usage error when it is none."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-01-31T09:00:00Z", param, ctx)


_CONDITIONS = (
    click.option("--type", "type_", metavar="TYPE", help="Only letters of this task type."),
    click.option("--queue", metavar="NAME", help="Only letters of this queue."),
    click.option(
        "--class", "error_class", type=click.Choice([word.value for word in ErrorClass]), help="Only this error class."
    ),
    click.option("--code", metavar="CODE", help="Only this error code, e.g. worker_lost."),
    click.option("--fingerprint", metavar="HEX", help="Only this fingerprint (see `dlq groups`)."),
    click.option("--meeting", metavar="ID", help="Only letters of this meeting."),
    click.option("--since", type=Moment(), metavar="TIME", help="Only what died then or later (ISO 8601)."),
    click.option("--until", type=Moment(), metavar="TIME", help="Only what died then or earlier (ISO 8601)."),
)


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the conditions; the function gets them together as its argument ``where``."""

    @functools.wraps(function)
    def with_where(*args: Any, **given: Any) -> Any:
        names = ("queue", "error_class", "code", "fingerprint")
        where = Where(
            type=given.pop("type_"),
            meeting_id=given.pop("meeting"),
            since_ms=given.pop("since"),
            until_ms=given.pop("until"),
            **{name: given.pop(name) for name in names},
        )
        return function(*args, where=where, **given)

    for option in reversed(_CONDITIONS):
        with_where = option(with_where)
    return with_where


def actor_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--actor``."""
    return click.option(
        "--actor", metavar="NAME", default=_me, show_default="you@this host", help="Who does it, for the audit."
    )(function)


def _me() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"unknown@{socket.gethostname()}"


@contextmanager
def open_letters(common: Common) -> Iterator[DeadLetters]:
    """Connect; BrokerUnavailable within a few seconds when the server does not answer."""
    with open_fleet(common) as fleet:
        yield fleet.dispatcher.dead_letters
