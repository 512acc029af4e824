"""Access over HTTP: every route names its scope, or says that it is open; a route that says nothing does not start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from meetingtasks.access import LOCAL_ADMIN, Principal, Scope, TokenVerifier
from meetingtasks.api.fleet import Fleet
from meetingtasks.errors import SettingsError, Unauthorized

OPEN: Final = "open"
_RULE: Final = "__access_rule__"


def may(scope: Scope) -> Any:
    """Return the dependency of a route that needs ``scope``; it gives the principal."""

    def check(request: Request) -> Principal:
        principal = authenticate(request)
        principal.check(scope)
        return principal

    setattr(check, _RULE, scope.value)
    return Depends(check)


def open_to_all(route: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a route that needs no key."""
    setattr(route, _RULE, OPEN)
    return route


def authenticate(request: Request) -> Principal:
    """Return who asks; Unauthorized without a good key or token.

    Keys and tokens come in ``Authorization: Bearer …`` only: a query string ends in logs.
    """
    fleet: Fleet = request.app.state.fleet
    if request.app.state.insecure_local:
        return LOCAL_ADMIN
    shown = request.headers.getlist("authorization")
    if len(shown) > 1:
        raise Unauthorized("more than one Authorization header")
    kind, _, text = (shown[0] if shown else "").partition(" ")
    if kind.lower() != "bearer" or not text:
        raise Unauthorized("show an API key or token: Authorization: Bearer <key>")
    return principal_of(text.strip(), fleet)


def principal_of(text: str, fleet: Fleet) -> Principal:
    """Return whom a key or token stands for."""
    if text.startswith("mt_"):
        return fleet.keys.principal(text)
    settings = fleet.settings
    if settings.jwt_key is None:
        raise Unauthorized("the API key is not known")
    verifier = TokenVerifier(
        settings.jwt_key.get_secret_value(), algorithm=settings.jwt_algorithm, audience=settings.jwt_audience
    )
    return verifier.principal(text)


def rule_of(route: APIRoute) -> str | None:
    """Return a route's scope, ``open``, or None when it says nothing."""
    marked: str | None = getattr(route.endpoint, _RULE, None)
    found = [getattr(need.call, _RULE, None) for need in route.dependant.dependencies]
    return marked or next((rule for rule in found if rule), None)


def checked(routers: Iterable[tuple[str, APIRouter]]) -> dict[str, APIRoute]:
    """Return every route of routers with their prefixes, by ``METHOD path``.

    SettingsError when one names neither scope nor openness: an API must not start with a hole.
    """
    found: dict[str, APIRoute] = {}
    for prefix, router in routers:
        for route in router.routes:
            path = f"{prefix}{getattr(route, 'path', route)}"
            if not isinstance(route, APIRoute) or rule_of(route) is None:
                raise SettingsError(f"the route {path} has no access rule", code="no_access_rule")
            found |= {f"{method} {path}": route for method in route.methods or ()}
    return found


TasksReader = Annotated[Principal, may(Scope.TASKS_READ)]
TasksSubmitter = Annotated[Principal, may(Scope.TASKS_SUBMIT)]
TasksCanceller = Annotated[Principal, may(Scope.TASKS_CANCEL)]
QueuesAdmin = Annotated[Principal, may(Scope.QUEUES_ADMIN)]
DlqAdmin = Annotated[Principal, may(Scope.DLQ_ADMIN)]
FleetAdmin = Annotated[Principal, may(Scope.FLEET_ADMIN)]
