"""What every request meets first: limits on its head, no way to smuggle a second one, its id, one line of log."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from meetingtasks import logs
from meetingtasks.clock import SYSTEM

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

ID_HEADER: Final = "X-Request-ID"
MAX_HEADERS: Final = 100
MAX_HEAD_BYTES: Final = 32 * 1024
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_SAFE: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
#: asked every few seconds by whoever watches this process
_QUIET: Final = ("/health/",)


class Edge:
    """Passes requests on with an id, and answers with the headers that keep browsers from guessing.

    ``hosts``: names by which it may be called, None: any. A server that lets everybody in who reaches it from this
    machine must not be reached by a page of another site whose name was pointed here.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(ID_HEADER, "")
        request_id = scope["request_id"] = given if _PLAIN_ID.fullmatch(given) else uuid4().hex
        refused = self._refused(headers, request_id)
        started_s, status = SYSTEM.monotonic_s(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = MutableHeaders(scope=message)
                told[ID_HEADER] = request_id
                told.update(_SAFE)
                told.setdefault("Cache-Control", "no-store")
            await send(message)

        with logs.bound(request_id=request_id):
            try:
                await (refused or self._app)(scope, receive, answer)
            finally:
                quiet = scope["path"].startswith(_QUIET) and status < 400  # noqa: PLR2004 - the status itself
                log.log(
                    logging.DEBUG if quiet else logging.INFO,
                    "a request was answered",
                    extra={
                        "method": scope["method"],
                        "path": scope["path"][:200],  # never its query: callers put secrets there
                        "status": status,
                        "ms": round((SYSTEM.monotonic_s() - started_s) * 1000, 1),
                    },
                )

    def _refused(self, headers: Headers, request_id: str) -> JSONResponse | None:
        if len(headers.raw) > MAX_HEADERS:
            return _problem(431, "headers_too_large", f"more than {MAX_HEADERS} headers", request_id)
        if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD_BYTES:
            return _problem(431, "headers_too_large", f"headers above {MAX_HEAD_BYTES // 1024} KiB", request_id)
        if "transfer-encoding" in headers and "content-length" in headers:
            return _problem(
                400, "ambiguous_length", "Content-Length and Transfer-Encoding exclude each other", request_id
            )
        name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if self._hosts is not None and name.lower() not in self._hosts:
            return _problem(400, "wrong_host", "this server answers to this machine's own names only", request_id)
        return None


def _problem(status: int, code: str, message: str, request_id: str) -> JSONResponse:
    error = {"code": code, "message": message, "details": {}, "retryable": False}
    return JSONResponse({"error": error, "request_id": request_id}, status, {"Connection": "close"})
