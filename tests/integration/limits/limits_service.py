"""A service whose tasks try every limit; real workers run it: ``celery -A tests.integration.limits.limits_service``."""

import ctypes
import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded

from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError, NetworkError, ResourceError, TransientError
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.task import Service

service = Service("custom-service", queue="custom_tasks")
app = service.app
# short, so that a lease which is not prolonged with its task's limit is lost within a test
app.conf.broker_transport_options["lease_grace_s"] = float(os.environ.get("TEST_LEASE_GRACE_S", "30"))

#: a family that nobody asks to end: a child, one in a session of its own, and one whose parent has left it
FAMILY = """
import signal, subprocess, sys
subprocess.Popen(["sleep", "1000"])
subprocess.Popen(["sleep", "1000"], start_new_session=True)
left = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)"
subprocess.Popen([sys.executable, "-c", left])
signal.pause()
"""


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Do what the payload says, in this order."""
    wanted = payload.root
    if "trace" in wanted:
        with Path(wanted["trace"]).open("a") as file:
            file.write(f"{time.monotonic()} {os.getpid()}\n")
    if "says" in wanted:
        logging.getLogger("engine").info(wanted["says"])
    if "extend_s" in wanted:
        ctx.extend(wanted["extend_s"])
    if "family" in wanted:
        subprocess.Popen([sys.executable, "-c", FAMILY])
    _harm(wanted)
    for number in range(wanted.get("reports", 0)):
        ctx.progress(number, "still here")
        threading.Event().wait(wanted["every_s"])
    if "nap_s" in wanted:
        _nap(wanted["nap_s"], stubborn=wanted.get("stubborn", False))
    return {"pid": os.getpid(), "attempt": ctx.attempt}


@service.task(CustomPayload)
def custom_task_type_2(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Return the payload."""
    return payload.root


def _harm(wanted: dict[str, Any]) -> None:
    if "raises" in wanted:
        raise _error(wanted)
    if "kill" in wanted:
        os.kill(wanted["kill"], signal.SIGKILL)
    if wanted.get("crash"):
        ctypes.string_at(0)
    if "allocate_mib" in wanted:
        bytearray(wanted["allocate_mib"] * 2**20)


def _error(wanted: dict[str, Any]) -> Exception:
    errors: dict[str, Exception] = {
        "network": NetworkError("on purpose"),
        "socket": ConnectionResetError("on purpose"),
        "transient": TransientError("on purpose"),
        "anything": ValueError("on purpose"),
        "resource": ResourceError("on purpose"),
        "disk": OSError(errno.ENOSPC, "on purpose"),
        "business": BusinessError("on purpose"),
        "gone": FileNotFoundError(errno.ENOENT, "on purpose"),
        "wish": NetworkError("on purpose", retry_after_s=wanted.get("wish_s")),
    }
    return errors[wanted["raises"]]


def _nap(seconds: float, *, stubborn: bool) -> None:
    """Sleep like work that never asks whether to stop; a stubborn one does not heed the exception either."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        try:
            time.sleep(0.05)  # the work itself
        except SoftTimeLimitExceeded:
            if not stubborn:
                raise
