"""``meetingtasks worker``: one service's Celery worker in this process, with the settings that suit it."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import click

from meetingtasks import logs
from meetingtasks import settings as settings_module
from meetingtasks.app import check_server
from meetingtasks.cli import services
from meetingtasks.cli.command import Command, broker_option
from meetingtasks.cli.fleet import settings_for
from meetingtasks.settings import Settings

#: mingle and gossip let workers talk to each other; ours share nothing but the broker
_QUIET: Final = ("--without-mingle", "--without-gossip")


@click.command(
    cls=Command,
    examples=(
        "meetingtasks worker ai",
        "meetingtasks worker meeting --concurrency 8 --pool threads",
        "meetingtasks worker ai -Q ai_tasks,cpu_intensive",
        "meetingtasks worker mycompany.tasks -Q custom_tasks",
    ),
)
@click.argument("service")
@click.option(
    "-c", "--concurrency", type=click.IntRange(1, services.MOST_AT_ONCE), metavar="N",
    help="Tasks at once. Default: MT_CONCURRENCY; without it one per processor core for ai and media, which compute, "
    f"and {services.WAITING_PER_CORE} per core, at most {services.MOST_WAITING}, for the others, which wait.",
)  # fmt: skip
@click.option(
    "-P", "--pool", type=click.Choice(["prefork", "threads", "solo"]), default="prefork", show_default=True,
    help="prefork: processes, and hard time limits hold; threads: no hard limits, less memory; solo: one task, here.",
)  # fmt: skip
@click.option(
    "-Q", "--queues", metavar="NAMES", help="Queues to take tasks from, separated by commas. Default: its own."
)
@click.option(
    "-n", "--name", metavar="NAME", help="The worker's name before @host. Default: service and process number."
)
@broker_option
def worker(  # noqa: PLR0917 - click passes them by name
    service: str, concurrency: int | None, pool: str, queues: str | None, name: str | None, broker_url: str | None
) -> None:
    """Run the worker of SERVICE: ai, media, meeting, signaling, user, custom, or a module with an `app`.

    SIGTERM or Ctrl-C hands back what has not begun and waits up to MT_MAX_SHUTDOWN_WAIT_S seconds for running tasks;
    a second one, or SIGQUIT, hands those back too. The exit code is 0 when all tasks were finished, 4 when some were
    handed back or failed. While the broker is away the worker waits for it.
    """
    sys.path.insert(0, str(Path.cwd()))  # a module of one's own stands where one is
    module = services.module_of(service)
    if module is None:
        raise services.unknown(service)
    settings = adopt(settings_for(broker_url))
    check_server(settings.effective_store_url)
    app = load_app(module)
    wanted = checked_queues(app, queues) if queues is not None else services.queues_of(service)
    logs.configure(settings)
    # Celery warns root because of pickle; our workers accept JSON only
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    app.log.already_setup = True  # Celery leaves the logging of this process as it is
    at_once = concurrency or services.concurrency(service, settings)
    node = name or f"{service.rpartition('.')[2]}-{os.getpid()}"
    app.worker_main([
        *("--quiet", "worker", "--concurrency", str(at_once), "--pool", pool, "--loglevel", settings.log_level),
        *("--hostname", f"{node}@{socket.gethostname()}", *_QUIET, *(("-Q", ",".join(wanted)) if wanted else ())),
    ])  # fmt: skip


def adopt(settings: Settings) -> Settings:
    """Let everything in this process, its pool processes included, use these settings' broker."""
    # the service's module reads the settings by itself when it is imported
    os.environ["MT_BROKER_URL"] = settings.broker_url
    settings_module.current.cache_clear()
    return settings_module.current()


def load_app(module: str) -> Any:
    """Import a service's module and return its Celery app; a usage error when it has none."""
    loaded = importlib.import_module(module)
    app = getattr(loaded, "app", None)
    if not hasattr(app, "worker_main"):
        raise click.UsageError(f"the module {module} has no Celery app named `app`")
    return app


def checked_queues(app: Any, names: str) -> list[str]:
    """Return the queues of a list; a usage error names one that does not exist."""
    known = {queue.name for queue in app.conf.task_queues}
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    strange = [name for name in wanted or [names] if name not in known]
    if strange:
        raise click.BadParameter(
            f"there is no queue {strange[0]!r}; use {', '.join(sorted(known))}", param_hint="'-Q' / '--queues'"
        )
    return wanted
