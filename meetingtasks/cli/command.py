"""What every command of the command line has: examples in its help, ``--broker-url`` and ``--json``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options that every command takes."""

    broker_url: str | None
    as_json: bool


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are typed."""
        del ctx
        write_examples(self.examples, formatter)


class Seconds(click.FloatRange):
    """A length of time above zero; unlike click's own numbers never infinite and never "not a number"."""

    def __init__(self, most: float | None = None) -> None:
        super().__init__(0, most, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; a usage error when it is no finite number in the range."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a finite number of seconds.", param, ctx)
        return seconds


def write_examples(examples: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    """Write a section of examples, one per line, unwrapped: they are there to be copied."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def broker_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--broker-url``."""
    return click.option(
        "--broker-url",
        metavar="URL",
        help="The broker. Default: MT_BROKER_URL or the settings file; where neither names one, the server of the "
        "`meetingtasks up` or demonstration that runs in this directory (var/run/server.json).",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on standard output and nothing else there."
    )(function)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--broker-url`` and ``--json``; the function gets them together as its argument ``common``."""

    @functools.wraps(function)
    def with_common(*args: Any, broker_url: str | None, as_json: bool, **kwargs: Any) -> Any:
        return function(*args, common=Common(broker_url=broker_url, as_json=as_json), **kwargs)

    return broker_option(json_option(with_common))
