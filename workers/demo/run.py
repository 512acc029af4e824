"""Runs the demonstration: recording in, minutes out, through the dispatcher and real workers."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from meetingtasks.cli import exit_codes, output, views
from meetingtasks.cli.following import Snapshot, follow
from meetingtasks.cli.live import View, live_view
from meetingtasks.requests import TaskRequest
from meetingtasks.states import TaskState
from workers.demo import outcome
from workers.demo.chaos import Chaos
from workers.demo.place import LARGEST_BYTES, place
from workers.demo.recording import Recording, choose
from workers.demo.staff import Staff, staff
from workers.demo.summary import clock, print_summary
from workers.engines.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the command was asked for."""

    audio: Path | None
    language: str
    as_json: bool
    keep: bool
    chaos: bool


def demonstrate(wishes: Wishes) -> int:
    """Run it and print what came of it; returns the exit code, which is 0 only when the run has completed."""
    recording = choose(wishes.audio)
    signal.signal(signal.SIGTERM, _end_in_good_order)
    output.note(f"{recording.path.name}: {views.duration(recording.duration_ms / 1000)}; starting a server and workers")
    with place(keep=wishes.keep) as here:
        with staff(here) as running:
            chaos = Chaos(running) if wishes.chaos else None
            run_id = _submit(running, recording, wishes.language)
            with live_view() as view:
                last = _follow(running, run_id, view, chaos)
            files = outcome.keep(last, here)
            report = outcome.document(last, recording, files)
            if chaos is not None:
                report["chaos"] = chaos.document()
        if wishes.keep:
            output.note(f"kept: {here.root}")
    outcome.write_report(report, files)
    if wishes.as_json:
        output.document(report)
    else:
        print_summary(report)
    if last.record.state is TaskState.COMPLETED:
        return exit_codes.OK
    output.note(f"error: the run ended as {last.sentence}; the workers' log is {files / outcome.LOG}")
    return exit_codes.FAILED


def _end_in_good_order(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave every block, so that workers and server are stopped and temporary files removed."""
    raise SystemExit(128 + number)


def _submit(running: Staff, recording: Recording, language: str) -> str:
    storage = Storage(running.place.storage)
    stored = storage.import_file(recording.path, f"uploads/recording{recording.path.suffix}", max_bytes=LARGEST_BYTES)
    spoken = recording.language if language == "auto" and recording.language else language
    payload = {
        "audio_files": [stored.url],
        "original_filenames": [recording.path.name],
        "title": recording.title,
        "asr_language": spoken,
    }
    request = TaskRequest(type="process_recording", payload=payload)
    return running.fleet.dispatcher.dispatch(request).task_id


def _follow(running: Staff, run_id: str, view: View, chaos: Chaos | None) -> Snapshot:
    heard = 0
    last: Snapshot | None = None
    for last in follow(running.fleet, run_id):
        running.check()
        view.show(last)
        for part in running.fleet.runs.released(run_id, heard):
            heard += 1
            for segment in part.get("segments", ()):
                view.say(f"{clock(segment['start_ms'])}  {segment['text']}")
        done = chaos.look(last) if chaos is not None else None
        if done is not None:
            view.say(done)
    assert last is not None  # noqa: S101 - follow() yields at least once or raises
    return last
