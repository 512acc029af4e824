"""A service whose tasks write down what they do: run as ``celery -A tests.support.chaos.effect_service``."""

import threading
from pathlib import Path
from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.processes import spawn
from meetingtasks.task import Service
from tests.support.history import effects

service = Service("custom-service", queue="custom_tasks")
app = service.app


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Work for ``work_s`` seconds, with a child process when ``child_file`` names where to note its number."""
    log = Path(payload.root["effects"])
    effects.write(log, "start", ctx.task_id, ctx.attempt)
    if "child_file" in payload.root:
        with Path(payload.root["child_file"]).open("a") as file:
            file.write(f"{spawn(('sleep', '1000')).pid}\n")
    threading.Event().wait(payload.root["work_s"])  # the work that this task pretends to do
    effects.write(log, "end", ctx.task_id, ctx.attempt)
    return ctx.attempt
