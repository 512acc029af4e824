"""Connections that know the scripts: a transaction can then never meet a server that does not."""

from __future__ import annotations

from typing import Any

from meetingtasks.broker import scripts


def teach_on_connect(connection: Any) -> None:
    """Finish a new connection's greeting and load the scripts that the server lacks."""
    connection.on_connect()
    sources = scripts.known()
    connection.send_command("SCRIPT", "EXISTS", *(script.sha for script in sources), check_health=False)
    known = connection.read_response()
    missing = [script for script, is_known in zip(sources, known, strict=True) if not is_known]
    for script in missing:
        connection.send_command("SCRIPT", "LOAD", script.source, check_health=False)
    for _ in missing:
        connection.read_response()
