"""The services that can be run on this machine, and how many tasks at once suit each of them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

from meetingtasks.processes import Program
from meetingtasks.settings import Settings
from meetingtasks.task_types import CATALOGUE

#: the catalogue's own services; each is a module of the package ``workers``
NAMES: Final = ("ai", "media", "meeting", "signaling", "user", "custom")
#: services whose tasks mostly compute: more of them at once than processor cores only slows each down
COMPUTING: Final = frozenset({"ai", "media"})
#: services whose tasks mostly wait: some per core, within what a small machine's memory holds
WAITING_PER_CORE: Final = 2
MOST_WAITING: Final = 8
MOST_AT_ONCE: Final = 1024


def present() -> list[str]:
    """Return the names of the services whose modules are here."""
    return [name for name in NAMES if module_of(name) is not None]


def module_of(service: str) -> str | None:
    """Return the module of a service: ``ai``, or a module of one's own such as ``mycompany.tasks``; None: not here."""
    name = service if "." in service else f"workers.{service}"
    try:
        return None if importlib.util.find_spec(name) is None else name
    except (ImportError, ValueError):  # the package around it is not here, or it is no module's name
        return None


def checked(names: str) -> list[str]:
    """Return the services of a list such as ``ai,media``; a usage error names an unknown one."""
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in wanted or [names]:
        if module_of(name) is None:
            raise unknown(name)
    return wanted


def unknown(service: str) -> click.UsageError:
    """Build the error for a service that is not here."""
    return click.UsageError(
        f"there is no service {service!r}; use one of {', '.join(present())}, or a module with an `app`, "
        "e.g. mycompany.tasks"
    )


def concurrency(service: str, settings: Settings, *, cores: int | None = None) -> int:
    """Return how many tasks at once: the setting, else one per core for computing services, more for waiting ones."""
    if settings.concurrency:
        return settings.concurrency
    count = cores or available_cores()
    return count if service in COMPUTING else min(MOST_WAITING, WAITING_PER_CORE * count)


def worker_program(
    service: str, broker_url: str, *options: str, environment: Mapping[str, str] | None = None
) -> Program:
    """Return the worker of a service as a program of a process group, named as the service."""
    return Program(
        name=service,
        command=(sys.executable, "-m", "meetingtasks.cli", "worker", service, "--name", service, *options),
        environment={"MT_BROKER_URL": broker_url, **(environment or {})},
    )


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def queues_of(service: str) -> list[str]:
    """Return every queue that a service's types go to by themselves."""
    return sorted({task_type.queue for task_type in CATALOGUE if task_type.service.removesuffix("-service") == service})
