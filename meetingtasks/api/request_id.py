"""The id of a request: the caller's own when it is a plain one, else a new one; in the answer and on each log line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders

from meetingtasks import logs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-ID"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def id_of(request: Request) -> str:
    """Return the id of a request."""
    return str(request.scope.get("request_id", ""))


class RequestIds:
    """Gives each request its id, and the answer the headers that keep browsers from guessing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = scope["request_id"] = given if _PLAIN.fullmatch(given) else uuid4().hex

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with logs.bound(request_id=request_id):
            await self._app(scope, receive, answer)
