"""``meetingtasks api``: the platform over HTTP, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from meetingtasks import logs
from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, broker_option, json_option
from meetingtasks.cli.fleet import settings_for
from meetingtasks.cli.keys import open_keys
from meetingtasks.errors import SettingsError
from meetingtasks.settings import Settings


@click.command(
    cls=Command,
    examples=("meetingtasks api", "meetingtasks api --host 0.0.0.0 --port 8080", "meetingtasks api --insecure-local"),
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: MT_API_HOST.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Its port; 0: a free one. Default: MT_API_PORT.")
@click.option("--insecure-local", is_flag=True, help="Let everybody in who reaches it; on a loopback address only.")
@click.option("--or-free-port", is_flag=True, help="Take another port when this one is taken.")
@click.option(
    "--note", type=click.Path(path_type=Path), metavar="FILE", help="Write the address there once it answers."
)
@broker_option
@json_option
def api(  # noqa: PLR0917 - click passes them by name
    host: str | None,
    port: int | None,
    insecure_local: bool,
    or_free_port: bool,
    note: Path | None,
    broker_url: str | None,
    as_json: bool,
) -> None:
    """Serve the HTTP API: /api/v1, its documents at /api/v1/docs, /health/live and /health/ready.

    It refuses to start where nobody could be let in or everybody would be: without an API key (`meetingtasks keys
    create`), without MT_JWT_KEY, and without --insecure-local. SIGTERM or Ctrl-C finishes the requests under way and
    ends event streams, whose readers come back by themselves.
    """
    # 0.4 s that no other command pays
    from meetingtasks.api import create_api  # noqa: PLC0415
    from meetingtasks.api.server import ApiServer, address_of, is_loopback, listen  # noqa: PLC0415

    settings = settings_for(broker_url)
    where = host or settings.api_host
    if insecure_local and not is_loopback(where):
        raise click.UsageError(f"--insecure-local lets everybody in; it is for loopback addresses only, not {where}")
    if not insecure_local:
        _check_somebody_may_enter(settings)
    listening = listen(where, settings.api_port if port is None else port, or_free_port=or_free_port)
    logs.configure(settings)
    address = address_of(listening)

    def tell() -> None:
        if note is not None:
            note.write_text(address, "utf-8")
        if as_json:
            output.document({"state": "ready", "url": address})
        else:
            output.line(f"listening on {address}")

    with listening:
        ApiServer(create_api(settings, insecure_local=insecure_local), on_ready=tell).run([listening])
    output.note("the API has stopped")


def _check_somebody_may_enter(settings: Settings) -> None:
    """SettingsError when there is neither a key nor a way to verify tokens."""
    if settings.jwt_key is not None:
        return
    with open_keys(Common(broker_url=settings.broker_url, as_json=False)) as keys:
        if not keys.any():
            raise SettingsError(
                "nobody could use the API: make a key with `meetingtasks keys create`, or set jwt_key "
                "(MT_JWT_KEY), or use --insecure-local on this machine",
                code="no_keys",
            )
