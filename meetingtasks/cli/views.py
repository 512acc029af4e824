"""Tasks and runs as JSON and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from meetingtasks.cli import output
from meetingtasks.clock import SYSTEM, to_datetime
from meetingtasks.records import TaskRecord
from meetingtasks.store.runs import RunRecord, Stage

LONGEST_SHOWN = 300


def run_document(run: RunRecord) -> dict[str, Any]:
    """Return a run as JSON-ready values; the token by which its stages report stays out."""
    fields = asdict(run)
    del fields["token"]
    return fields


def task_table(records: Sequence[TaskRecord]) -> None:
    """Print one row per task."""
    rows = [
        (r.id, r.type, r.state, f"{r.progress.percent:.0f}%", r.priority, r.queue, age(r.created_ms)) for r in records
    ]
    output.table(("task", "type", "state", "", "priority", "queue", "age"), rows)


def run_table(runs: Sequence[RunRecord]) -> None:
    """Print one row per run."""
    rows = [(r.id, r.state, f"{r.percent:.0f}%", _where(r), age(r.created_ms)) for r in runs]
    output.table(("run", "state", "", "stages", "age"), rows)


def stage_table(run: RunRecord) -> None:
    """Print one row per stage of a run."""
    output.table(("stage", "state", "parts", "took"), [stage_row(stage) for stage in run.stages])


def stage_row(stage: Stage) -> tuple[str, str, str, str]:
    """Return a stage as text: name, state, parts, time taken."""
    parts = f"{stage.done}/{stage.total}" if stage.total > 1 else ""
    return stage.name, stage.state, parts, _took(stage)


def task_details(record: TaskRecord) -> None:
    """Print everything about a task but its payload's content and traceback."""
    progress = record.progress
    facts: list[tuple[str, object]] = [
        ("task", record.id),
        ("type", f"{record.type} ({record.service}, queue {record.queue}, {record.priority})"),
        ("state", record.state + (" (partial)" if record.partial else "") + (" (dead letter)" if record.dead else "")),
        ("progress", f"{progress.percent:.0f}% {progress.step} {progress.message}".rstrip()),
        ("accepted", moment(record.created_ms)),
        ("not before", moment(record.eta_ms)),
        ("waited", _milliseconds(record.wait_ms)),
        ("ended", moment(record.ended_ms)),
        ("retries", f"{record.retry_count}" + (f" of {record.max_retries}" if record.max_retries is not None else "")),
        ("meeting", record.meeting_id),
        ("user", record.user_id),
        ("session", record.session_id),
        ("cancelled", record.cancel_reason),
        ("error", f"{record.error.code}: {record.error.message}" if record.error else ""),
        ("payload", _short(record.payload)),
        ("result", _short(record.result)),
    ]
    output.table(("", ""), [(name, value) for name, value in facts if value not in (None, "")])


def attempt_table(record: TaskRecord) -> None:
    """Print one row per attempt."""
    rows = [
        (a.attempt, a.worker, moment(a.started_ms), _milliseconds(a.run_ms), a.outcome, a.error)
        for a in record.attempts
    ]
    output.table(("attempt", "worker", "started", "ran", "outcome", "error"), rows)


def moment(ms: int | None) -> str:
    """Return a time in UTC, or nothing."""
    return "" if ms is None else to_datetime(ms).strftime("%Y-%m-%d %H:%M:%SZ")


def age(ms: int) -> str:
    """Return how long ago a time was, in its largest unit."""
    return duration(max(0, SYSTEM.now_ms() - ms) / 1000)


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"  # noqa: PLR2004 - tenths say nothing above
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def _where(run: RunRecord) -> str:
    over = sum(stage.state in ("done", "skipped") for stage in run.stages)
    now = run.current
    where = f"{over} of {len(run.stages)} done"
    if run.state != "running" or now is None:
        return where
    return f"{where}, {now.name}" + (f" {now.done}/{now.total}" if now.total > 1 else "")


def _took(stage: Stage) -> str:
    if stage.started_ms is None:
        return ""
    return duration(((stage.ended_ms or SYSTEM.now_ms()) - stage.started_ms) / 1000)


def _milliseconds(ms: int | None) -> str:
    return "" if ms is None else duration(ms / 1000)


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters; --json has all)"
