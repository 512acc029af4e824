"""A rerun of a recording's pipeline: the request for a new run that keeps the good stages of an earlier one."""

from __future__ import annotations

from typing import Final

from meetingtasks.errors import TaskConflict
from meetingtasks.records import TaskRecord
from meetingtasks.requests import TaskRequest

TYPE: Final = "process_recording"
#: what a new run keeps of the earlier one's task, beside its payload
_KEPT: Final = ("meeting_id", "user_id", "session_id", "project_id", "max_retries", "timeout_s")


def rerun_request(old: TaskRecord, from_stage: str) -> TaskRequest:
    """Return the request for a new run from a stage on; TaskConflict when ``old`` is no run, or has not ended."""
    if old.type != TYPE:
        raise TaskConflict(f"{old.id} is a {old.type} task and has no stages; only {TYPE} can be rerun")
    if not old.state.is_final:
        raise TaskConflict(f"run {old.id} has not ended ({old.state}); wait for it or cancel it first")
    return TaskRequest(
        type=TYPE,
        payload=old.payload,
        priority=old.priority,
        metadata={**old.metadata, "inherits": old.id, "from_stage": from_stage},
        **{name: getattr(old, name) for name in _KEPT},
    )
