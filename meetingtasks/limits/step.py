"""The step of a worker's start that sees to the limits: what its pool cannot keep is refused before anything starts.

It also lets a prefork worker notice at once that a pool process has died. Celery looks when the process closes its
files, which the system does a moment before the process can be waited for; looking too early, Celery used to notice
with its next round, up to five seconds later.
"""

from __future__ import annotations

import resource
from typing import Any, Final

import click
from celery import bootsteps, concurrency
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.signals import worker_process_init

from meetingtasks.limits.pool_process import GUARDIAN, IS_SUPPORTED
from meetingtasks.settings import current
from meetingtasks.task_types import CATALOGUE

#: open files of a worker's main process: itself, its connections, and pipes and sentinel of each pool process
BASE_FILES: Final = 64
FILES_PER_PROCESS: Final = 8
LOOK_AGAIN_S: Final = 0.02
MOST_LOOKS: Final = 100
_NAMED: Final = 5


class LimitsStep(bootsteps.StartStopStep):
    """Made before the pool starts: checks the worker, and gives its pool a guardian. Started after it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_: Any) -> None:
        has_processes = issubclass(parent.pool_cls, PreforkPool)
        if not has_processes:
            refuse_types_that_need_a_process(parent.app.tasks, _name_of(parent.pool_cls))
        processes = parent.concurrency if has_processes else 0
        refuse_too_few_files(processes)
        if has_processes and IS_SUPPORTED:
            GUARDIAN.start()

    def start(self, parent: Any) -> None:
        """Watch more closely for pool processes that die."""
        pool = getattr(parent.pool, "_pool", None)
        if isinstance(pool, AsynPool):
            notice_deaths_at_once(pool)


def notice_deaths_at_once(pool: Any) -> None:
    """Look again, and again, until a pool process that is about to die has died."""
    when_closed = pool._event_process_exit  # noqa: SLF001 - Celery has no other place to look again

    def look(hub: Any, process: Any, times_left: int = MOST_LOOKS) -> None:
        pool.maintain_pool()
        if process in pool._pool and times_left:  # noqa: SLF001
            hub.call_later(LOOK_AGAIN_S, look, hub, process, times_left - 1)

    def on_closed(hub: Any, process: Any) -> None:
        when_closed(hub, process)
        if process in pool._pool:  # noqa: SLF001
            hub.call_later(LOOK_AGAIN_S, look, hub, process)

    pool._event_process_exit = on_closed  # noqa: SLF001


def refuse_types_that_need_a_process(names: Any, pool: str) -> None:
    """Raise a usage error when a declared type can only be ended together with its process."""
    found = [CATALOGUE.find(name) for name in sorted(names)]
    types = [task_type.name for task_type in found if task_type is not None and task_type.needs_process]
    if types:
        shown = ", ".join(types[:_NAMED]) + (f" and {len(types) - _NAMED} more" if len(types) > _NAMED else "")
        raise click.UsageError(
            f"the pool {pool!r} cannot end a task at its hard time limit, which these types need: {shown}; "
            "use --pool prefork"
        )


def _name_of(pool_class: type) -> str:
    """Return the name by which Celery's command line knows a pool."""
    path = f"{pool_class.__module__}:{pool_class.__qualname__}"
    known: Any = concurrency  # celery-types does not know its table
    return next((name for name, alias in known.ALIASES.items() if alias == path), path)


def refuse_too_few_files(processes: int) -> None:
    """Raise a usage error when this many pool processes need more open files than the system allows."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = BASE_FILES + FILES_PER_PROCESS * processes
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        raise click.UsageError(
            f"the limit of open files (ulimit -n) is {allowed}; a worker with {processes} pool processes needs {needed}"
        )


@worker_process_init.connect
def enter_pool_process(**_: object) -> None:
    """Put a pool process under its guardian and its limit of memory; elsewhere there is none."""
    if not GUARDIAN.is_on:
        return
    GUARDIAN.join()
    most_bytes = current().pool_process_memory_mib * 2**20
    if most_bytes:
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most))
