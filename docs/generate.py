"""Writes docs/reference/ anew from the code: a page per thing that the code itself describes.

`make docs` runs it; a test fails when a page is older than the code. `--check` only compares.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from meetingtasks.catalogue import TaskType
from meetingtasks.events import CHANNELS, FACTS, Fact
from meetingtasks.settings import Settings
from meetingtasks.task_types import CATALOGUE
from workers import ai, base, custom, media, meeting, signaling, user

REFERENCE: Final = Path(__file__).parent / "reference"
_KINDS: Final = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    SecretStr: "text, never shown",
}
_BOUNDS: Final = {annotated_types.Ge: "≥", annotated_types.Gt: ">", annotated_types.Le: "≤", annotated_types.Lt: "<"}
_SETTINGS_HEAD: Final = """\
# Settings

Every setting of the fleet, for workers, producers and the command line alike. Sources, strongest first: arguments in
code, environment variables, the YAML or JSON file named by `MT_CONFIG`, defaults. In a file, a setting goes by its
name below; as an environment variable, by `MT_` and its name in capitals. An unknown name is an error with the nearest
right one, so a misspelt setting never goes unnoticed. Written by `make docs` from `meetingtasks/settings.py`.

| setting | variable | allowed | default | meaning |
|---|---|---|---|---|
"""


def settings_page() -> str:
    """Return the page of all settings."""
    rows = (_row(name, field) for name, field in Settings.model_fields.items())
    return _SETTINGS_HEAD + "".join(f"{row}\n" for row in rows)


def _row(name: str, field: FieldInfo) -> str:
    allowed = ", ".join([_kind(field.annotation), *_bounds(field)])
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | `MT_{name.upper()}` | {allowed} | {_default(field.default)} | {meaning} |"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    choices = [choice for choice in get_args(annotation) if choice is not NoneType]
    return _kind(choices[0]) if choices else _KINDS[annotation]


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        for kind, sign in _BOUNDS.items():
            if isinstance(bound, kind):
                yield f"{sign} {getattr(bound, kind.__name__.lower()):,}"


def _default(value: Any) -> str:
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


_TYPES_HEAD: Final = """\
# Task types

Every type that may be submitted, with the queue it goes to by itself, its priority, the seconds an attempt may run
(an exception, then the end of its process), and its retries after network, transient and resource errors; a business
error is never retried. A limit with `+ n x media` grows by n seconds for each second of media. A type whose engine is
*none* is routed and checked, but its tasks fail with `engine_not_configured` in this version. Written by `make docs`
from `meetingtasks/task_types.py`; `meetingtasks routes` shows the custom routes of a fleet too.

| type | service | queue | priority | limits | retries | engine | also called |
|---|---|---|---|---|---|---|---|
"""
_PIPELINE: Final = "a part of process_recording"  # never submitted by hand


def task_types_page() -> str:
    """Return the page of all task types and their payloads."""
    types = sorted((t for t in CATALOGUE if t.summary != _PIPELINE), key=lambda t: (t.queue, t.name))
    rows = "".join(f"{_type_row(task_type)}\n" for task_type in types)
    return _TYPES_HEAD + rows + "".join(_payload_section(task_type) for task_type in types)


def _type_row(task_type: TaskType) -> str:
    media = f" + {task_type.media_factor} x media" if task_type.media_factor else ""
    limits = f"{task_type.soft_limit_s} / {task_type.hard_limit_s} s{media}"
    retries = f"{task_type.retries.network} / {task_type.retries.transient} / {task_type.retries.resource}"
    names = " ".join(f"`{alias}`" for alias in task_type.aliases)
    cells = [
        task_type.service,
        f"`{task_type.queue}`",
        task_type.priority.value,
        limits,
        retries,
        _engine(task_type),
        names,
    ]
    return f"| `{task_type.name}` | {' | '.join(cells)} |"


def _engine(task_type: TaskType) -> str:
    apps = (ai.app, media.app, meeting.app, signaling.app, user.app, custom.app)
    tasks: list[Any] = [app.tasks[task_type.celery_name] for app in apps if task_type.celery_name in app.tasks]
    return "yes" if any(task.handler is not base._no_engine for task in tasks) else "*none*"  # noqa: SLF001 - asked for


def _payload_section(task_type: TaskType) -> str:
    title = f"\n## {task_type.name}\n\n{task_type.summary}\n"
    if not task_type.payload.model_fields or "root" in task_type.payload.model_fields:
        return title
    fields = "".join(f"{_field_row(name, field)}\n" for name, field in task_type.payload.model_fields.items())
    return f"{title}\n| field | default | meaning |\n|---|---|---|\n{fields}"


def _field_row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "required"
    else:
        default = "none" if field.default in (None, "", [], {}) else f"`{field.get_default(call_default_factory=True)}`"
    return f"| `{name}` | {default} | {(field.description or '').replace('|', '/')} |"


_EVENTS_HEAD: Final = """\
# Events

Every type of event that the platform knows, by channel, with the fields of its payload. *Also called* are the
spellings of earlier systems; a handler of one hears the other. Each event is told on the Pub/Sub channel of the same
name as JSON: `type`, `payload`, `source`, `timestamp` (seconds) and `ts_ms` since 1970, `message_id` (its place in
the channel's log, empty when it is not kept), `v` (1), and where they are known `meeting_id`, `task_id` and
`trace_id`. A type can be here whose service does not publish it yet; [features.md](../features.md) says which. [The
guide](../howto/events.md) shows how to hear and tell them. Written by `make docs` from `meetingtasks/events/facts/`.
"""


def events_page() -> str:
    """Return the page of all events, channel by channel."""
    parts = [_EVENTS_HEAD]
    for channel in CHANNELS:
        parts.append(f"\n## {channel}\n\n| type | payload | meaning | also called |\n|---|---|---|---|\n")
        parts += [_event_row(fact) for fact in FACTS.values() if fact.channel == channel]
    return "".join(parts)


def _event_row(fact: type[Fact]) -> str:
    fields = ", ".join(
        f"`{name}`{'' if field.is_required() else '?'} {_lowered(field.description or '')}"
        for name, field in fact.model_fields.items()
    )
    meaning = (fact.__doc__ or "").partition("\n")[0]
    return f"| `{fact.type}` | {fields} | {meaning} | {' '.join(f'`{alias}`' for alias in fact.aliases)} |\n"


def _lowered(text: str) -> str:
    return f"({text[:1].lower()}{text[1:]})" if text else ""


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "task-types.md": task_types_page,
    "events.md": events_page,
}


def stale() -> list[str]:
    """Return the names of the pages that are not what the code says."""
    files = {name: REFERENCE / name for name in PAGES}
    return [name for name, path in files.items() if not path.is_file() or path.read_text("utf-8") != PAGES[name]()]


def main(arguments: list[str]) -> int:
    """Write what is stale; with ``--check`` name it and return 1."""
    found = stale()
    if "--check" in arguments:
        sys.stderr.writelines(f"docs/reference/{name} is stale; run: make docs\n" for name in found)
        return 1 if found else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in found:
        (REFERENCE / name).write_text(PAGES[name](), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
