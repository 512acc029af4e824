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

from meetingtasks.settings import Settings

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


PAGES: Final[dict[str, Callable[[], str]]] = {"settings.md": settings_page}


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
