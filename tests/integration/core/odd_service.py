"""A service whose tasks end in odd ways: run by real workers as ``celery -A tests.integration.core.odd_service``."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError, NetworkError
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.task import Service
from tests.support.eventually import eventually

service = Service("custom-service", queue="custom_tasks")
app = service.app

RESULTS: dict[str, Any] = {
    "nothing": None,
    "moment": datetime(2026, 2, 20, 9, tzinfo=UTC),
    "not_a_number": float("nan"),
    "set": {1, 2},
    "object": object(),
    "half_character": os.fsdecode(b"call-\xff.wav"),
    "huge": "x" * 300_000,
    "keys": {1: "one"},
}


@service.task(CustomPayload)
def custom_task_type_1(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Return something odd, or fail oddly, maybe only after a file is there."""
    wanted = payload.root
    if "until_file" in wanted:
        eventually(Path(wanted["until_file"]).exists, within_s=60)
    if wanted.get("fails") == "badly_named":
        raise BusinessError(f"cannot open {os.fsdecode(b'call-' + bytes([255]))}", file=Path("x"))
    if wanted.get("fails") == "network":
        raise NetworkError("连接被对方重置" * 50, retry_after_s=wanted.get("wish_s"))
    return RESULTS[wanted.get("result", "nothing")]


@service.task(CustomPayload)
def custom_task_type_2(payload: CustomPayload, ctx: TaskContext) -> Any:
    """Report two steps at once, then keep busy until a file is there."""
    ctx.progress(10, "first")
    ctx.progress(50, "正在生成内容...")
    eventually(Path(payload.root["until_file"]).exists, within_s=60)
    return payload.root
