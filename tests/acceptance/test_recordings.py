"""Recordings become minutes on real workers: in order, resumable, cancellable, and honest about bad input."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import av
import numpy as np
import pytest

from meetingtasks.errors import InvalidPayload, TaskFailed
from meetingtasks.events import Event
from meetingtasks.events.log import EventLog
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.processes import ROOT
from workers.engines.media.wav import WavWriter


def submit(fleet: Fleet, *files: Path, metadata: dict[str, str] | None = None, **payload: object) -> str:
    urls = []
    for file in files:
        place = fleet.storage.root / "uploads" / uuid4().hex / file.name
        place.parent.mkdir(parents=True)
        shutil.copy(file, place)
        urls.append(fleet.storage.url_of(place))
    request = {"type": "process_recording", "payload": {"audio_files": urls, **payload}, "metadata": metadata or {}}
    return fleet.dispatcher.dispatch(request).task_id


def finish(fleet: Fleet, run_id: str, within_s: float = 100) -> TaskResponse:
    return fleet.dispatcher.wait(run_id, within_s)


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    with path.open("xb") as file:
        writer = WavWriter(file, rate=rate, channels=1)
        writer.write(samples.astype(np.int16))
        writer.finish()
    return path


def test_x_11_stages_and_a_percent_that_never_falls(fleet: Fleet, instructions: Path) -> None:
    run_id = submit(fleet, instructions, meeting_date="2026-03-02")
    seen: list[tuple[float, str]] = []

    def look() -> bool:
        record = fleet.dispatcher.get(run_id)
        seen.append((record.progress.percent, record.progress.step))
        return record.state.is_final

    eventually(look, 100)
    ended = finish(fleet, run_id)
    assert ended.status is TaskState.COMPLETED
    assert ended.result["coverage"] == 1.0
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    assert {"denoise", "split", "transcribe"} & {step for _, step in seen}
    assert [stage.state for stage in fleet.run(run_id).stages] == ["done"] * 7
    words = " ".join(part["text"] for s in fleet.runs.released(run_id) for part in s["segments"])
    assert "go forward ten meters" in words
    assert_told(fleet, run_id, words)


def assert_told(fleet: Fleet, run_id: str, words: str) -> None:
    """Assert that the run's events tell what its record says, each once and in order."""
    log = EventLog(fleet.dispatcher.store.client)

    def own(channel: str) -> list[Event]:
        return [event for event in log.since(channel) if event.payload.get("pipeline_id") == run_id]

    eventually(lambda: [event for event in own("task_events") if event.type == "pipeline.completed"])
    stages = [event.payload["stage"] for event in own("task_events") if event.type == "pipeline.stage_started"]
    assert stages == [stage.name for stage in fleet.run(run_id).stages]
    closed = [event.payload["stage"] for event in own("task_events") if event.type == "pipeline.stage_completed"]
    assert closed == stages
    assert " ".join(event.payload["text"] for event in own("ai_events")) == words
    assert [event.type for event in own("meeting_events")] == ["meeting.minutes_ready"]


def test_x_12_several_files_are_joined_in_the_order_asked_for(
    fleet: Fleet, clip: Callable[[Path, int, int], Path]
) -> None:
    sample = ROOT / "samples" / "meeting.flac"
    first, second = clip(sample, 29_000, 31_600), clip(sample, 31_900, 34_500)
    run_id = submit(
        fleet,
        second,
        first,
        file_order=[1, 0],
        original_filenames=["b.wav", "a.wav"],
        emotion=False,
        meeting_time="09:30",
    )
    assert finish(fleet, run_id).status is TaskState.COMPLETED
    files = fleet.run(run_id).stage("ingest").facts["files"]
    assert [(file["name"], file["offset_ms"]) for file in files] == [("b.wav", 2600), ("a.wav", 0)]
    transcript = fleet.storage.get_json(fleet.dispatcher.get_result(run_id)["transcript_url"])
    text = " ".join(segment["text"] for segment in transcript["segments"])
    assert text.index("forward") < text.index("somewhere")
    assert fleet.run(run_id).stage("emotion").state == "skipped"


def test_x_13_a_rerun_from_the_minutes_transcribes_nothing_again(fleet: Fleet, instructions: Path) -> None:
    first = submit(fleet, instructions)
    assert finish(fleet, first).status is TaskState.COMPLETED
    before = fleet.dispatcher.store.counts()["ai_tasks:started"]
    second = submit(fleet, instructions, metadata={"inherits": first, "from_stage": "minutes"})
    assert finish(fleet, second).status is TaskState.COMPLETED
    assert fleet.dispatcher.store.counts()["ai_tasks:started"] == before + 1  # the minutes alone
    minutes = fleet.storage.get_json(fleet.dispatcher.get_result(second)["minutes_url"])
    assert minutes["version"] == 2
    assert fleet.runs.parts(second, "transcribe") == fleet.runs.parts(first, "transcribe")


def test_silence_is_a_result(fleet: Fleet, tmp_path: Path) -> None:
    run_id = submit(fleet, write_wav(tmp_path / "silence.wav", np.zeros(16_000 * 8)))
    ended = finish(fleet, run_id)
    assert ended.status is TaskState.COMPLETED
    assert ended.result["no_speech"] is True


def test_a_run_that_is_cancelled_ends_within_seconds_and_goes_no_further(fleet: Fleet) -> None:
    run_id = submit(fleet, ROOT / "samples" / "meeting.flac")
    eventually(lambda: fleet.run(run_id).stage("transcribe").state == "running", 60)
    assert fleet.dispatcher.cancel(run_id, reason="wrong file") == "running"
    assert finish(fleet, run_id, 15).status is TaskState.CANCELLED
    eventually(lambda: fleet.run(run_id).state == "cancelled")
    assert fleet.run(run_id).stage("minutes").state == "waiting"


def broken_file(kind: str, folder: Path, good: Path) -> Path:
    path = folder / f"{kind}.wav"
    if kind == "zero bytes":
        path.touch()
    elif kind == "text":
        path.write_text("this is no sound\n" * 100)
    elif kind == "truncated mp4":
        path = folder / "cut.mp4"
        with av.open(str(good)) as source, av.open(str(folder / "whole.mp4"), "w") as target:
            stream = target.add_stream("aac", rate=16_000)
            for frame in source.decode(audio=0):
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        path.write_bytes((folder / "whole.mp4").read_bytes()[:2000])
    elif kind == "video without sound":
        path = folder / "mute.mp4"
        with av.open(str(path), "w") as target:
            stream = target.add_stream("libx264", rate=5)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(5):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kind", ["zero bytes", "text", "truncated mp4", "video without sound"])
def test_a_broken_file_is_a_clear_business_error_and_nothing_is_half_made(
    kind: str, fleet: Fleet, tmp_path: Path, instructions: Path
) -> None:
    run_id = submit(fleet, broken_file(kind, tmp_path, instructions))
    ended = finish(fleet, run_id, 30)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "media_invalid"
    assert ended.error["retryable"] is False
    assert (
        not list((fleet.storage.root / "runs" / run_id).glob("*")) if (fleet.storage.root / "runs").exists() else True
    )


@pytest.mark.parametrize("reference", ["nowhere.wav", "uploads"])
def test_a_file_that_is_not_there_is_refused_before_a_run_begins(reference: str, fleet: Fleet) -> None:
    (fleet.storage.root / "uploads").mkdir(exist_ok=True)
    run_id = fleet.dispatcher.dispatch({"type": "process_recording", "payload": {"audio_files": [reference]}}).task_id
    ended = finish(fleet, run_id, 30)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["retryable"] is False
    assert fleet.runs.get(run_id) is None


@pytest.mark.parametrize("reference", ["../../etc/passwd", "file:///etc/passwd"])
def test_a_path_outside_the_storage_is_refused(reference: str, fleet: Fleet) -> None:
    with pytest.raises((InvalidPayload, TaskFailed)) as raised:
        result_of(fleet, reference)
    assert "root:" not in str(raised.value)


def result_of(fleet: Fleet, reference: str) -> object:
    request = {"type": "process_recording", "payload": {"audio_files": [reference]}}
    run_id = fleet.dispatcher.dispatch(request).task_id
    finish(fleet, run_id, 30)
    return fleet.dispatcher.get_result(run_id)
