"""``meetingtasks events``: hear the fleet's events, read those that were kept, publish one."""

from __future__ import annotations

import json
import queue
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, Seconds, common_options, write_examples
from meetingtasks.cli.fleet import Fleet, open_fleet
from meetingtasks.clock import SYSTEM
from meetingtasks.events import CHANNELS, FACTS, Event, Gap, RedisPubSubQueue, canonical, channel_of
from meetingtasks.events.log import PLACE

_EXAMPLES = (
    "meetingtasks events tail",
    "meetingtasks events tail meeting_events media_events --json",
    "meetingtasks events since task_events --last 1h",
    "meetingtasks events since ai_events --after 1700000000000-0 --limit 100 --json",
    """meetingtasks events publish user_joined '{"user_id": 123, "meeting_id": 456}'""",
)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Events(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Events)
def events() -> None:
    """Hear the fleet's events, read those that were kept, publish one.

    With --json, `tail` and `since` print one JSON document per line and event.
    """


@events.command(cls=Command, examples=_EXAMPLES[:2])
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@click.option("--count", type=click.IntRange(1), help="Stop after so many events; default: never.")
@click.option("--timeout", "timeout_s", type=Seconds(), metavar="SECONDS", help="Stop after this time; default: never.")
@common_options
def tail(*, channels: tuple[str, ...], count: int | None, timeout_s: float | None, common: Common) -> None:
    """Print events as they happen, of these channels or of all that the platform knows. Ctrl-C ends it."""
    waiting: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with open_fleet(common) as fleet:
        bus = RedisPubSubQueue(fleet.dispatcher.store.client, on_gap=_note_gap)
        for channel in channels or CHANNELS:
            bus.subscribe(channel, waiting.put)
        with bus:
            output.note(f"listening on {', '.join(channels or CHANNELS)}")
            _print(_taken(waiting, count, timeout_s), as_json=common.as_json)


@events.command(cls=Command, examples=_EXAMPLES[2:4])
@click.argument("channel")
@click.option("--after", metavar="ID", callback=lambda _c, _p, v: _place(v), help="Only events after this id.")
@click.option(
    "--last",
    "last_s",
    metavar="TIME",
    callback=lambda _c, _p, v: _span(v),
    help="Only those of the last 90s, 15m, 6h, 1d.",
)
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@common_options
def since(*, channel: str, after: str | None, last_s: int | None, limit: int, common: Common) -> None:
    """Print a channel's kept events, oldest first: the last 24 hours, at most 10 000 events."""
    if after is not None and last_s is not None:
        raise click.UsageError("give --after or --last, not both")
    begin = after if last_s is None else SYSTEM.now_ms() - last_s * 1000
    with open_fleet(common) as fleet:
        _print(_bus(fleet).since(channel, begin, limit=limit), as_json=common.as_json)


@events.command(cls=Command, examples=_EXAMPLES[4:])
@click.argument("event_type")
@click.argument("payload", default="{}", callback=lambda _c, _p, v: _object(v))
@click.option("--channel", help="Default: the channel of its type.")
@click.option("--source", default="command line", show_default=True, help="Who says so.")
@common_options
def publish(*, event_type: str, payload: dict[str, Any], channel: str | None, source: str, common: Common) -> None:
    """Publish an event of a type with a payload, a JSON object, and print its id."""
    known = FACTS.get(canonical(event_type))
    if known is not None:
        try:
            known.model_validate(payload)
        except ValueError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())  # type: ignore[attr-defined]
            raise click.BadParameter(f"the payload does not fit {event_type}: {problems}") from None
    target = channel or channel_of(event_type)
    with open_fleet(common) as fleet:
        message = {"type": event_type, "payload": payload, "source": source}
        event_id = _bus(fleet).publish(target, message)
    if common.as_json:
        output.document({"channel": target, "message_id": event_id})
    else:
        output.line(f"{target} {event_id}")


def _bus(fleet: Fleet) -> RedisPubSubQueue:
    return RedisPubSubQueue(fleet.dispatcher.store.client)


def _taken(waiting: queue.SimpleQueue[Event], count: int | None, timeout_s: float | None) -> Iterator[Event]:
    deadline_s = None if timeout_s is None else SYSTEM.monotonic_s() + timeout_s
    taken = 0
    while count is None or taken < count:
        left_s = None if deadline_s is None else max(0.0, deadline_s - SYSTEM.monotonic_s())
        try:
            yield waiting.get(timeout=left_s)
        except queue.Empty:
            return
        taken += 1


def _print(found: Iterable[Event], *, as_json: bool) -> None:
    for event in found:
        if as_json:
            click.echo(event.to_json())
        else:
            when = datetime.fromtimestamp(event.timestamp, UTC).strftime("%H:%M:%S.%f")[:-3]
            payload = json.dumps(event.payload, ensure_ascii=False)
            output.line(" ".join(part for part in (when, event.message_id or "-", event.type, payload) if part))


def _note_gap(gap: Gap) -> None:
    output.note(f"{gap.channel}: {gap.missed or 'some'} events were missed after {gap.after}")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object")
    return value


def _place(text: str | None) -> str | None:
    if text is not None and not PLACE.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no event's id, such as 1700000000000-0")
    return text


def _span(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time such as 90s, 15m, 6h or 1d")
    return int(found[1]) * _UNITS_S[found[2]]
