"""What a demonstration came to: the run's files copied to a stated place, and everything about it as one document."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from meetingtasks.cli import views
from meetingtasks.cli.following import Snapshot
from meetingtasks.store.runs import RunRecord
from workers.demo.place import RESULTS, Place
from workers.demo.recording import Recording
from workers.engines.storage import Storage
from workers.engines.word_error import word_error_rate

#: the outcome's references and the names under which their files are kept
FILES: Final = {
    "transcript_url": "transcript.json",
    "minutes_url": "minutes.json",
    "minutes_md_url": "minutes.md",
    "emotion_url": "emotion.json",
    "audio_url": "audio.wav",
}
REPORT: Final = "report.json"
LOG: Final = "workers.log"


def keep(last: Snapshot, place: Place) -> Path:
    """Copy the run's files and the workers' log to var/demo/RUN_ID; returns that directory."""
    target = (RESULTS / last.record.id).absolute()
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place.log, target / LOG)
    storage = Storage(place.storage)
    for name, file_name in FILES.items():
        reference = _outcome(last).get(name)
        if reference:
            shutil.copyfile(storage.path_of(reference), target / file_name)
    return target


def document(last: Snapshot, recording: Recording, files: Path) -> dict[str, Any]:
    """Return the whole outcome as one JSON-ready value, from the files that were kept."""
    outcome = _outcome(last)
    transcript = _read(files / FILES["transcript_url"])
    if transcript is not None:
        transcript["text"] = " ".join(segment["text"] for segment in transcript["segments"])
    error = last.record.error
    return {
        "state": last.record.state.value,
        "run_id": last.record.id,
        "error": None if error is None else {"code": error.code, "message": error.message},
        "recording": recording.path.name,
        "recording_ms": recording.duration_ms,
        "duration_s": _took_s(last),
        "coverage": outcome.get("coverage"),
        "partial": outcome.get("partial"),
        "transcript": transcript,
        "minutes": _read(files / FILES["minutes_url"]),
        "emotion": _read(files / FILES["emotion_url"]),
        "noise_floor_before_db": outcome.get("noise_floor_before_db"),
        "noise_floor_after_db": outcome.get("noise_floor_after_db"),
        "engine": outcome.get("engine"),
        "engine_model": None if transcript is None else transcript.get("model"),
        "engine_note": None if transcript is None else transcript.get("note"),
        "word_error_rate": _word_error_rate(recording, transcript),
        "stages": [] if last.run is None else [_stage(last.run, stage.name) for stage in last.run.stages],
        "files": str(files),
    }


def write_report(report: dict[str, Any], files: Path) -> None:
    """Keep the document beside the run's files."""
    (files / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _outcome(last: Snapshot) -> dict[str, Any]:
    # The task's own result, which is stored with its final state: the run's outcome is written a moment later.
    return last.record.result or {}


def _word_error_rate(recording: Recording, transcript: dict[str, Any] | None) -> float | None:
    if recording.words is None or transcript is None:
        return None
    return round(word_error_rate(recording.words, transcript["text"]), 4)


def _stage(run: RunRecord, name: str) -> dict[str, Any]:
    stage = next(found for found in views.run_document(run)["stages"] if found["name"] == name)
    del stage["facts"]
    return dict(stage)


def _took_s(last: Snapshot) -> float | None:
    ended_ms = last.record.ended_ms
    return None if ended_ms is None else round((ended_ms - last.record.created_ms) / 1000, 2)


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else None
