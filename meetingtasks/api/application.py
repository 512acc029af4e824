"""Builds the application: its routes, its access rules, its errors, and the fleet that it opens and closes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from meetingtasks.api import dead_letters, events, health, openapi, problems, queues, runs, task_types, tasks, websocket
from meetingtasks.api.edge import Edge
from meetingtasks.api.fleet import Fleet
from meetingtasks.api.guard import checked
from meetingtasks.api.streams import Streams
from meetingtasks.settings import Settings, current

PREFIX: Final = "/api/v1"
#: by which a machine calls itself
OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ABOUT: Final = (
    "Submit tasks to the fleet behind a video-meeting platform and see what becomes of them. Errors have one form: "
    '`{"error": {"code", "message", "details", "retryable"}, "request_id"}`.'
)
ROUTERS: Final[tuple[tuple[str, APIRouter], ...]] = (
    ("", health.router),
    (PREFIX, tasks.router),
    (PREFIX, runs.router),
    (PREFIX, events.router),
    (PREFIX, queues.router),
    (PREFIX, dead_letters.router),
    (PREFIX, task_types.router),
)


def create_api(
    settings: Settings | None = None,
    *,
    insecure_local: bool = False,
    open_fleet: Callable[[Settings, Streams], Fleet] = Fleet.open,
) -> FastAPI:
    """Return the application, for any ASGI server.

    ``insecure_local`` lets everybody in as administrator: for a server on the loopback address only. SettingsError
    when a route has no access rule.
    """
    chosen = settings or current()

    @asynccontextmanager
    async def life(api: FastAPI) -> AsyncIterator[None]:
        api.state.fleet = await run_in_threadpool(open_fleet, chosen, api.state.streams)
        try:
            async with websocket.opened(api):
                yield
        finally:
            await run_in_threadpool(api.state.fleet.close)

    api = FastAPI(
        title="meetingtasks",
        version=metadata.version("meetingtasks"),
        description=_ABOUT,
        lifespan=life,
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    api.state.insecure_local = insecure_local
    api.state.streams = Streams()
    if chosen.api_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=chosen.api_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Location", "Retry-After", "X-Request-ID"],
        )
    api.add_middleware(Edge, hosts=OWN_NAMES if insecure_local else None)
    problems.install(api)
    routes = checked(ROUTERS)
    for prefix, router in ROUTERS:
        api.include_router(router, prefix=prefix)
    websocket.install(api)
    api.openapi = lambda: openapi.document(api, routes)  # type: ignore[method-assign] # FastAPI's own way to extend it
    return api
