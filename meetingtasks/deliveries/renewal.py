"""Keeps the leases of what this process runs, in one thread for any number of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from meetingtasks.deliveries.border import BROKER_ERRORS
from meetingtasks.deliveries.delivery import Delivery
from meetingtasks.deliveries.source import Deliveries

log = logging.getLogger(__name__)

RETRY_S: Final = 0.2


class LeaseRenewal:
    """Renews leases every third of their length until they are dropped; tells when one is lost."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._held: dict[Delivery, Callable[[], object]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, delivery: Delivery, on_lost: Callable[[], object]) -> None:
        """Renew a lease from now on; ``on_lost()`` is called once from the renewing thread when it is lost."""
        with self._lock:
            self._held[delivery] = on_lost
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)
                self._thread.start()

    def drop(self, delivery: Delivery) -> None:
        """Stop renewing a lease."""
        with self._lock:
            self._held.pop(delivery, None)

    def stop(self) -> None:
        """End the thread; what is held runs out by itself. May be called twice."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        pause_s = self._deliveries.queue.options.renew_s
        while not self._stopping.wait(pause_s):
            pause_s = self._deliveries.queue.options.renew_s
            try:
                self._renew_once()
            except BROKER_ERRORS as error:
                log.warning("leases were not renewed; trying again", extra={"why": str(error)})
                pause_s = min(RETRY_S, pause_s)

    def _renew_once(self) -> None:
        with self._lock:
            held = list(self._held)
        for delivery in self._deliveries.renew(held) if held else ():
            with self._lock:
                on_lost = self._held.pop(delivery, None)
            if on_lost is not None:  # one that ended meanwhile is not lost
                log.warning("a lease was lost; another worker may run the task", extra={"task_id": delivery.task_id})
                on_lost()
