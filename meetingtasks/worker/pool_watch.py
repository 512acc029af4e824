"""Looks after the processes of a prefork pool: one that died is noticed in a fraction of a second, its task runs again.

Stock Celery looks every 5 s, and gives a dead process 10 s more in which its result might still arrive.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

LOOK_S: Final = 0.2


class PoolWatchStep(bootsteps.StartStopStep):
    """Installed where the pool has processes; ``worker_lost_wait`` must be short too."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Look as long as this connection's event loop runs."""
        maintain = getattr(worker.pool, "maintain_pool", None)
        if worker.pool.info.get("processes") and maintain is not None:
            hub.call_repeatedly(LOOK_S, maintain)
