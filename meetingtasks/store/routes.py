"""The custom routes, shared by all processes; each process keeps a copy that is at most a second old."""

from __future__ import annotations

from meetingtasks.clock import SYSTEM
from meetingtasks.routing import ServiceRoute
from meetingtasks.store import keys
from meetingtasks.store.client import Client

CACHE_S = 1.0


class RouteStore:
    """Routes of services outside the catalogue, one per service."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._copy: dict[str, ServiceRoute] = {}
        self._read_at: float | None = None

    def save(self, route: ServiceRoute) -> None:
        """Keep a route; it replaces the service's earlier one."""
        self._client.hset(keys.ROUTES, route.service_name, route.model_dump_json())
        self._read_at = None

    def remove(self, service_name: str) -> bool:
        """Drop a service's route; False when there was none."""
        self._read_at = None
        return bool(self._client.hdel(keys.ROUTES, service_name))

    def all(self) -> list[ServiceRoute]:
        """Read all routes."""
        return [ServiceRoute.model_validate_json(text) for text in self._client.hvals(keys.ROUTES)]

    @property
    def last_read(self) -> dict[str, ServiceRoute]:
        """Task type -> route as they were read last; none when they never were."""
        return self._copy

    def by_type(self, *, fresh: bool = False) -> dict[str, ServiceRoute]:
        """Return task type -> route; ``fresh`` reads them anew, otherwise they may be a second old."""
        now = SYSTEM.monotonic_s()
        if fresh or self._read_at is None or now - self._read_at > CACHE_S:
            self._copy = {name: route for route in self.all() for name in route.task_types}
            self._read_at = now
        return self._copy
