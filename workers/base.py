"""What every service shares: its Celery service with the engines' errors translated, and the storage."""

from __future__ import annotations

import functools
from typing import NoReturn

from celery.signals import setup_logging
from pydantic import BaseModel

from meetingtasks import logs
from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.failures import register
from meetingtasks.settings import current
from meetingtasks.states import ErrorClass
from meetingtasks.task import Service, ServiceTask
from meetingtasks.task_types import CATALOGUE
from workers.engines import errors
from workers.engines.http import EndpointFailed
from workers.engines.storage import Storage

# a worker logs as MT_LOG_LEVEL and MT_LOG_FORMAT say: one line per record, without arguments or secrets
setup_logging.connect(logs.for_celery)

# an engine knows nothing of tasks; here its errors get the class that decides about retries
register(errors.EngineError, ErrorClass.TRANSIENT)
register(errors.InvalidInput, ErrorClass.BUSINESS)
register(errors.NotConfigured, ErrorClass.BUSINESS)
register(errors.OutOfResource, ErrorClass.RESOURCE)
register(errors.Cancelled, ErrorClass.BUSINESS)
register(EndpointFailed, ErrorClass.NETWORK)
ServiceTask.throws += (errors.InvalidInput, errors.NotConfigured, errors.Cancelled)


def make_service(name: str, *, queue: str | None = None) -> Service:
    """Return a service whose module is run by ``celery -A workers.<module> worker``."""
    return Service(name, queue=queue)


@functools.cache
def storage() -> Storage:
    """Return where recordings and results live, by the settings of this process."""
    return Storage(current().storage_root)


def declare_rest(service: Service) -> None:
    """Let the service's other types answer that no engine is there, instead of leaving their tasks waiting for ever."""
    for task_type in CATALOGUE:
        if task_type.service == service.name and task_type.celery_name not in service.app.tasks:
            service.declare(task_type, _no_engine)


def _no_engine(payload: BaseModel, ctx: TaskContext) -> NoReturn:
    del payload
    raise BusinessError(
        f"this version has no engine for {ctx.record.type}", code="engine_not_configured", type=ctx.record.type
    )
