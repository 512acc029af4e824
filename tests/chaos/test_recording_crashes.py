"""A run survives what kills its workers: it goes on from what is kept, and every part is done once."""

import os
import signal
from pathlib import Path

import pytest

from meetingtasks.settings import current
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.processes import ROOT, RunningProcess
from workers.pipeline.reconcile import ReconcileRuns

pytestmark = pytest.mark.chaos


def submit_sample(fleet: Fleet) -> str:
    stored = fleet.storage.import_file(ROOT / "samples" / "meeting.flac", "uploads/meeting.flac", max_bytes=10**8)
    return fleet.dispatcher.dispatch({"type": "process_recording", "payload": {"audio_files": [stored.url]}}).task_id


def kill_session(worker: RunningProcess) -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.popen.wait()


@pytest.fixture
def short_lease(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "storage", MT_LEASE_S="1.5", MT_RENEW_S="0.4")


def test_a_worker_killed_while_transcribing_loses_nothing(short_lease: Fleet) -> None:
    with short_lease as fleet:
        for service in ("meeting", "media"):
            fleet.start(service)
        victim = fleet.start("ai")
        run_id = submit_sample(fleet)
        eventually(lambda: fleet.run(run_id).stage("transcribe").done >= 1, 60)
        kill_session(victim)
        fleet.start("ai")
        ended = fleet.dispatcher.wait(run_id, 110)
        assert ended.status is TaskState.COMPLETED
        assert ended.result["coverage"] == 1.0
        parts = fleet.runs.released(run_id)
        assert [part["index"] for part in parts] == list(range(fleet.run(run_id).stage("transcribe").total))
        assert fleet.dispatcher.store.counts().get("lost", 0) <= 1


def test_the_orchestrating_worker_killed_at_the_start_loses_nothing(short_lease: Fleet) -> None:
    with short_lease as fleet:
        victim = fleet.start("meeting")
        run_id = submit_sample(fleet)
        eventually(lambda: fleet.runs.get(run_id), 30)
        kill_session(victim)
        for service in ("meeting", "media", "ai"):
            fleet.start(service)
        assert fleet.dispatcher.wait(run_id, 110).status is TaskState.COMPLETED


def test_a_chord_whose_body_was_lost_is_taken_up_again(short_lease: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with short_lease as fleet:
        for service in ("meeting", "media", "ai"):
            fleet.start(service)
        run_id = submit_sample(fleet)
        eventually(lambda: fleet.run(run_id).stage("transcribe").done >= 1, 60)
        client = fleet.dispatcher.store.client
        client.delete(*client.scan_iter("mt:group:*"))  # Celery's count of the chord is gone: its body never comes
        eventually(
            lambda: fleet.run(run_id).stage("transcribe").done == fleet.run(run_id).stage("transcribe").total, 90
        )
        for name, value in fleet.env.items():
            monkeypatch.setenv(name, value)
        current.cache_clear()
        duty = ReconcileRuns(fleet.dispatcher.app, silence_s=0.2)
        eventually(lambda: duty.run_once()["reopened"] or fleet.dispatcher.get_status(run_id).is_final, 20)
        assert fleet.dispatcher.wait(run_id, 30).status is TaskState.COMPLETED
        current.cache_clear()


def test_a_repeated_delivery_of_the_task_does_not_stop_the_stages_under_way(short_lease: Fleet) -> None:
    with short_lease as fleet:
        for service in ("meeting", "media", "ai"):
            fleet.start(service)
        run_id = submit_sample(fleet)
        eventually(lambda: fleet.run(run_id).stage("transcribe").state == "running", 60)
        # what a second delivery does: it becomes the task's owner and leaves its token in the run
        record_key, run_key = f"mt:task:{run_id}", f"mt:run:{run_id}"
        pipe = fleet.dispatcher.store.client.pipeline(transaction=True)
        pipe.hset(record_key, "token", "newer").hset(run_key, "token", "newer").execute()
        ended = fleet.dispatcher.wait(run_id, 110)
        assert ended.status is TaskState.COMPLETED
        assert fleet.run(run_id).state == "completed"
