"""A service whose tasks do what a test asks for: run by real workers as ``celery -A tests.support.sample_service``."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError, NetworkError
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.processes import spawn
from meetingtasks.task import Service

service = Service("custom-service", queue="custom_tasks")
app = service.app


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Do what the payload says: echo, fail n times, wait for a file, start a child, report steps, crash."""
    wanted = payload.root
    trace = wanted.get("trace_file")
    if trace:
        with Path(trace).open("a") as file:
            file.write(f"{wanted.get('name', ctx.task_id)} {os.getpid()}\n")
    if wanted.get("child"):
        with Path(f"{trace}.children").open("a") as file:
            file.write(f"{spawn(('sleep', '1000')).pid}\n")
    if "steps" in wanted:
        for number in range(wanted["steps"]):
            ctx.step(f"step {number}", number, wanted["steps"], f"第{number}段")
    if ctx.attempt <= wanted.get("fail_times", 0):
        raise NetworkError(f"attempt {ctx.attempt} fails on purpose")
    if ctx.attempt <= wanted.get("crash_times", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted.get("refuse"):
        raise BusinessError("refused on purpose", code="refused")
    if "until_file" in wanted:
        _wait(ctx, Path(wanted["until_file"]))
    return {"echo": wanted.get("echo"), "attempt": ctx.attempt, "pid": os.getpid()}


@service.task(CustomPayload)
def custom_task_type_2(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Return the payload."""
    return payload.root


def _wait(ctx: TaskContext, path: Path) -> None:
    pause = threading.Event()
    while not path.exists():
        ctx.check()
        pause.wait(0.02)  # the work that this task pretends to do
