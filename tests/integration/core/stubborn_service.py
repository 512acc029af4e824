"""A service whose first task never looks whether it should stop; run by ``celery -A`` of this module."""

import threading
from pathlib import Path
from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.task import Service

service = Service("custom-service", queue="custom_tasks")
app = service.app


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Leave a trace, and go on until there is a file of this name."""
    del ctx
    wanted = payload.root
    with Path(wanted["trace"]).open("a") as trace:
        trace.write(f"{wanted['name']}\n")
    pause = threading.Event()
    while "gate" in wanted and not Path(wanted["gate"]).exists():
        pause.wait(0.02)  # the work that this task pretends to do
    return wanted["name"]


@service.task(CustomPayload)
def custom_task_type_2(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Return the payload."""
    del ctx
    return payload.root
