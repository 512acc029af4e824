"""Builds a service's Celery app: queues, routes, limits. What depends on the transport stands here alone."""

from __future__ import annotations

import logging
from typing import Any, Final

from celery import Celery
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown
from kombu import Exchange, Queue

from meetingtasks import outbox
from meetingtasks.broker import install
from meetingtasks.errors import SettingsError
from meetingtasks.failures import classify
from meetingtasks.routing import broker_number
from meetingtasks.settings import Settings, current
from meetingtasks.states import ErrorClass, Priority
from meetingtasks.store import fitness, sentinel
from meetingtasks.store.client import open_client
from meetingtasks.task_types import CATALOGUE, QUEUES

#: what a worker does beyond stock Celery; named, because only a worker imports it
STOPPING: Final = "meetingtasks.worker.step:StoppingStep"
UNHEEDED: Final = "meetingtasks.worker.unheeded:UnheededCancellations"
log = logging.getLogger(__name__)

UNFIT_EXIT_CODE: Final = 2  # as for every wrong setting
_REDIS_SCHEMES = ("redis://", "rediss://", "redis+socket://", "sentinel://")


def create_app(service: str, settings: Settings | None = None, *, queue: str | None = None) -> Celery:
    """Return a Celery app for one service; producers and workers use the same one.

    ``queue`` is what its worker consumes when ``-Q`` names none (default: ``<service>_tasks``).
    """
    settings = settings or current()
    install()  # from here on a Redis URL means our lease transport
    app = Celery(f"meetingtasks.{service}", set_as_current=False)
    app.conf.update(configuration(settings, default_queue=queue or f"{service}_tasks"))
    outbox.attach(app, settings)
    if settings.broker_url.startswith(_REDIS_SCHEMES):
        # a type that this worker does not know waits for one that does: a deploy may be half-way
        app.conf.broker_transport_options["known_type"] = KnownTypes(app)
        app.steps["worker"].update((STOPPING, UNHEEDED))
    return app


class KnownTypes:
    """Whether an app's worker knows a task type; as JSON (``celery inspect stats`` shows it) the names themselves."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, name: str) -> bool:
        """Tell whether the type is declared here."""
        return name in self._app.tasks

    def __json__(self) -> list[str]:
        """Return the names, as kombu's encoder asks."""
        return sorted(self._app.tasks)


@celeryd_after_setup.connect
def consume_own_queue(instance: Any, **_: Any) -> None:
    """Let a worker that was started without ``-Q`` consume its service's queue, not every queue there is."""
    app = instance.app
    if "meetingtasks_store_url" in app.conf and app.amqp.queues._consume_from is None:  # noqa: SLF001 - no other way to ask
        app.amqp.queues.select([app.conf.task_default_queue])


@worker_ready.connect
def forward_kept_tasks(sender: Any, **_: Any) -> None:
    """Let a worker send on what this machine's processes kept while the broker was away."""
    kept = outbox.of(sender.app)
    if kept is not None:
        kept.hold()


@worker_shutdown.connect
def leave_kept_tasks(sender: Any, **_: Any) -> None:
    """End what `forward_kept_tasks` began; what is still kept stays for others."""
    kept = outbox.of(sender.app)
    if kept is not None and kept.is_held:
        kept.let_go()


@celeryd_after_setup.connect
def refuse_unfit_server(instance: Any, **_: Any) -> None:
    """End a worker whose server would lose tasks, before it takes any."""
    url = instance.app.conf.get("meetingtasks_store_url")
    if url is None:
        return
    try:
        check_server(url)
    except SettingsError as error:
        log.critical(error.message)
        raise SystemExit(UNFIT_EXIT_CODE) from error


def check_server(url: str) -> None:
    """Raise SettingsError for a server that would lose tasks; one that is away cannot be asked yet."""
    try:
        with open_client(url, socket_connect_timeout=2, socket_timeout=2, retry=None) as client:
            fitness.check(client)
    except Exception as error:
        if classify(error) is not ErrorClass.NETWORK:
            raise


def declare_queue(app: Celery, name: str) -> None:
    """Make a queue outside the table known to an app, e.g. a custom route's; other processes need not know it."""
    if name not in app.amqp.queues:
        app.amqp.queues.add(Queue(name, Exchange("", type="direct"), routing_key=name))


def configuration(settings: Settings, *, default_queue: str) -> dict[str, Any]:
    """Return Celery's settings for our fleet, each with its reason."""
    exchange = Exchange("", type="direct")
    return {
        "broker_url": _kombu_url(settings.broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": transport_options(settings),
        "result_backend": backend_url(settings.effective_store_url),
        "meetingtasks_broker_url": settings.broker_url,
        "meetingtasks_store_url": settings.effective_store_url,
        "result_expires": settings.record_ttl_s,
        "result_extended": False,  # the record has name, arguments and worker already
        # a worker of one service takes nothing else, and a misspelt queue is an error instead of a black hole
        "task_queues": [Queue(name, exchange, routing_key=name) for name in dict.fromkeys([*QUEUES, default_queue])],
        "task_default_queue": default_queue,
        "task_default_exchange": "",
        "task_default_routing_key": default_queue,
        "task_create_missing_queues": False,
        "task_routes": (route_by_name,),
        "task_default_priority": broker_number(Priority.NORMAL, settings.broker_url),
        "task_inherit_parent_priority": False,
        # a message is acknowledged when its work is done, and comes back when the worker dies
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_reject_on_worker_lost": True,
        "worker_lost_wait": 0.1,  # for the last words of a dead pool process; its task waits as long
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # fencing tells a run that lost its lease
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "timezone": "UTC",
        "enable_utc": True,
        "task_store_errors_even_if_ignored": True,
        "worker_soft_shutdown_timeout": 0.0,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0.05, "interval_step": 0.2},
    }


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return what the broker's transport is told."""
    if not settings.broker_url.startswith(_REDIS_SCHEMES):
        return {}
    options: dict[str, Any] = {
        "socket_connect_timeout": 5,
        "lease_s": settings.lease_s,
        "renew_s": settings.renew_s,
        "max_deliveries": settings.max_deliveries,
        "time_limit_of": "meetingtasks.companion:time_limit_of",
        "cap_of": "meetingtasks.caps:cap_of",
        "end_of": "meetingtasks.limits.lease:end_of",
    }
    if settings.broker_url.startswith(sentinel.SCHEME):
        options["master_name"] = sentinel.SentinelAddress.parse(settings.broker_url).master_name
        # a sentinel that is gone must not hold up the question to the next one
        options["sentinel_kwargs"] = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), sentinel.ASK_WITHIN_S)
        if settings.durability == "strict":
            options["confirm_replicas"] = 1
    if settings.effective_store_url == settings.broker_url:
        # one server: a message and its task's record change in one transaction
        options["companion"] = "meetingtasks.companion:COMPANION"
        options["keep_dead"] = False  # the record keeps what is needed to run it again, and why it died
    return options


def has_companion(app: Celery) -> bool:
    """Tell whether the transport writes the task's record in the same transaction as it moves the message."""
    return "companion" in app.conf.broker_transport_options


def _kombu_url(broker_url: str) -> str:
    if broker_url.startswith(sentinel.SCHEME):
        return sentinel.SentinelAddress.parse(broker_url).kombu_url()
    return broker_url


def backend_url(store_url: str) -> str:
    """Return the URL by which Celery finds our result backend on the store's server."""
    # Celery reads "module:Class+url"; its Redis backend calls a unix socket's scheme "socket"
    return f"meetingtasks.backend:TaskStoreBackend+{store_url.replace('redis+socket://', 'socket://', 1)}"


def route_by_name(name: str, *_: Any, **__: Any) -> dict[str, Any] | None:
    """Route a task that is sent by name only, as Celery's router asks."""
    task_type = CATALOGUE.find(name)
    return None if task_type is None else {"queue": task_type.queue}
