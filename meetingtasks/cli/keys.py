"""``meetingtasks keys``: who may use the HTTP API, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from meetingtasks.access import SCOPES, ApiKey, ApiKeys, Scope
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.cli.views import moment
from meetingtasks.errors import BusinessError
from meetingtasks.store.api_keys import ApiKeyStore

_EXAMPLES = (
    "meetingtasks keys create backend --scope all",
    "meetingtasks keys create anna-laptop --scope tasks:submit --scope tasks:read --user anna",
    "meetingtasks keys list",
    "meetingtasks keys revoke 3f2a9c0d1e2b",
)
ALL = "all"


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Group)
def keys() -> None:
    """Make, list and revoke the keys of the HTTP API."""


@keys.command(cls=Command, examples=_EXAMPLES[:2])
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([ALL, *(scope.value for scope in SCOPES)]),
    help="What it may do; may be repeated. `all`: everything.",
)  # fmt: skip
@click.option("--user", "user_id", metavar="ID", help="Bind it to a user, whose tasks are then all it sees.")
@common_options
def create(*, name: str, scopes: tuple[str, ...], user_id: str | None, common: Common) -> None:
    """Make a key called NAME and print its text, which cannot be shown again: only its hash is kept."""
    wanted = SCOPES if ALL in scopes else [Scope(scope) for scope in scopes]
    with open_keys(common) as opened:
        key, text = opened.create(name, wanted, user_id=user_id)
    if common.as_json:
        output.document({**_row(key), "key": text})
    else:
        output.line(text)
        output.note(f"key {key.id} was made; keep its text, it is not shown again")


@keys.command(name="list", cls=Command, examples=(_EXAMPLES[2],))
@common_options
def list_keys(*, common: Common) -> None:
    """List all keys, the oldest first, without their secrets."""
    with open_keys(common) as opened:
        found = opened.all()
    if common.as_json:
        output.document([_row(key) for key in found])
    else:
        rows = [(key.id, key.name, key.user_id, " ".join(key.scopes), moment(key.created_ms)) for key in found]
        output.table(("id", "name", "user", "scopes", "made"), rows)


@keys.command(cls=Command, examples=(_EXAMPLES[3],))
@click.argument("key_id")
@common_options
def revoke(*, key_id: str, common: Common) -> None:
    """Drop a key; no process accepts it any more."""
    with open_keys(common) as opened:
        if not opened.revoke(key_id):
            raise BusinessError(f"there is no key {key_id!r}; see: meetingtasks keys list", code="not_found")
    if common.as_json:
        output.document({"revoked": key_id})
    else:
        output.line(f"{key_id} was revoked")


@contextmanager
def open_keys(common: Common) -> Iterator[ApiKeys]:
    """Connect to the fleet's keys."""
    with open_fleet(common) as fleet:
        yield ApiKeys(ApiKeyStore(fleet.dispatcher.store.client))


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "user_id": key.user_id,
        "scopes": [scope.value for scope in key.scopes],
        "created_ms": key.created_ms,
    }
