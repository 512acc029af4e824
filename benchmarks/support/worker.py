"""The workers: one plain Celery application, the same on both sides but for ``install()``.

Late acknowledgement, requeue when a pool process dies, prefetch 1, no results. Workers and producers are forked from a
process that has imported Celery already, so that a row is not mostly the start of Python.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import Celery, bootsteps, signals

import meetingtasks.broker
from meetingtasks.settings import Settings
from meetingtasks.task import Service
from meetingtasks.task_types import CATALOGUE

PR_SET_PDEATHSIG = 1
KEPT = CATALOGUE.get("custom_task_type_1")
OURS_ONLY = ("lease_s", "renew_s", "max_deliveries")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning")
READY = "bench: consuming"


@dataclass(frozen=True, slots=True)
class Setup:
    """Which side a process is on, where the server is, and what it notes where."""

    ours: bool
    url: str
    diary: str
    options: Mapping[str, Any] = field(default_factory=dict)
    prefetch: int = 1
    keeps: bool = False


class NoticeDeadProcesses(bootsteps.StartStopStep):
    """Looks after the pool's processes five times a second, on both sides; Celery's own interval is 5 s."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Begin to look, in a prefork worker."""
        if getattr(worker.pool, "_pool", None) is not None:
            hub.call_repeatedly(0.2, worker.pool._pool.maintain_pool)  # noqa: SLF001 - Celery has no public way


def make_app(setup: Setup) -> Celery:
    """Return the application of one side, with its tasks."""
    if setup.keeps:
        return _keeping(setup)
    if setup.ours:
        meetingtasks.broker.install()
    app = Celery("bench", broker=setup.url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=setup.prefetch,
        worker_lost_wait=0.1,
        worker_enable_prefetch_count_reduction=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options=dict(setup.options),
    )
    app.steps["worker"].add(NoticeDeadProcesses)
    _add_tasks(app, setup.diary)
    return app


def _keeping(setup: Setup) -> Celery:
    """Return an application whose one task gives back what it gets: ours a service's, stock's with a result backend."""
    if setup.ours:
        service = Service(KEPT.service, queue="celery", settings=Settings(broker_url=setup.url))
        service.declare(KEPT, _echo_payload)
        app = service.app
    else:
        app = Celery("bench", broker=setup.url, backend=setup.url)
        app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=setup.prefetch)
        app.task(name=KEPT.celery_name)(_echo)
    app.conf.broker_connection_retry_on_startup = True
    return app


def _echo(**payload: Any) -> dict[str, Any]:
    return payload


def _echo_payload(payload: Any, _: Any) -> Any:
    return payload.root


def _add_tasks(app: Celery, diary: str) -> None:
    notes = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(text: str) -> None:
        os.write(notes, f"{time.time():.4f} {text} {os.getpid()}\n".encode())  # short appends are atomic

    @app.task(name="bench.nap")
    def nap(name: str, seconds: float) -> None:
        note(f"start {name}")
        time.sleep(seconds)
        note(f"end {name}")

    @app.task(name="bench.stamp")
    def stamp(name: str) -> None:
        note(f"start {name}")

    @app.task(name="bench.noop")
    def noop(payload: str) -> None:
        """Do nothing."""

    @app.task(name="bench.later", bind=True)
    def later(self: Any, name: str, countdown: float) -> None:
        note(f"start {name}.{self.request.retries}")
        if self.request.retries == 0:
            raise self.retry(countdown=countdown)


def _say_ready(**_: Any) -> None:
    print(READY)


def run(setup: Setup, log: str, arguments: list[str]) -> None:
    """Be a worker, in a session of its own that ends with the process that forked it."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    signals.worker_ready.connect(_say_ready)
    make_app(setup).worker_main(["worker", *QUIET, *arguments])
