"""The custom service: a place for a platform's own task types. Run: ``celery -A workers.custom worker``.

The two types below take any JSON object and give it back: they show how a service of one's own is declared.
"""

from __future__ import annotations

from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.payloads.custom import CustomPayload
from workers.base import make_service

service = make_service("custom-service", queue="custom_tasks")
app = service.app


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Give the payload back."""
    ctx.check()
    return payload.root


@service.task(CustomPayload)
def custom_task_type_2(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Give the payload back."""
    ctx.check()
    return payload.root
