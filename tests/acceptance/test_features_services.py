"""What the services promise: each works on its own queue, alone, and does its tasks on real files."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from meetingtasks.errors import InvalidPayload
from meetingtasks.events import Event
from meetingtasks.requests import TaskResponse
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.task_types import CATALOGUE
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.media_samples import noise_like, spoken, write_video, write_wav
from tests.support.processes import RunningProcess
from workers.engines.media.probe import probe
from workers.engines.registry import EngineRegistry
from workers.process_events import local_bus, report

SERVICES = ("ai", "media", "meeting", "signaling")
ONE_PROCESS = ("-c", "1")


@dataclass(frozen=True)
class Services:
    """One worker per service."""

    fleet: Fleet
    workers: dict[str, RunningProcess]

    def do(self, task_type: str, payload: dict[str, Any], **about: Any) -> TaskResponse:
        """Submit a task and wait for its end."""
        return self.fleet.dispatcher.dispatch_and_wait({"type": task_type, "payload": payload, **about}, 100)

    def file(self, response: TaskResponse, name: str) -> Path:
        """Return the file that a result refers to."""
        return self.fleet.storage.path_of(response.result[name])

    def put(self, file: Path) -> str:
        """Put a file where the services may read it; return its reference."""
        return self.fleet.storage.put(file, f"uploads/{uuid4().hex}/{file.name}").url


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Run the four services."""
    with Fleet(tmp_path_factory.mktemp("storage")) as fleet:
        yield Services(fleet, {service: fleet.start(service, *ONE_PROCESS) for service in SERVICES})


def ended_by(services: Services, response: TaskResponse) -> str:
    """Return the service whose worker ran a task."""
    return services.fleet.dispatcher.get(response.task_id).worker.partition("-")[0]


def test_d1_13_each_service_takes_its_own_tasks_and_the_others_go_on_when_one_stops(services: Services) -> None:
    dispatcher = services.fleet.dispatcher
    assert {row["service"] for row in dispatcher.get_routes() if row["queue"] == "media_tasks"} == {"media"}
    services.workers["media"].send(signal.SIGTERM)
    assert services.workers["media"].wait(60) == 0
    left = dispatcher.dispatch({"type": "media_probe", "payload": {"source_url": "file:///nothing.mp4"}})
    assert ended_by(services, services.do("emotion_detection", {"text": "Great!"})) == "ai"
    assert ended_by(services, services.do("signaling", {"action": "send", "content": "hello"})) == "signaling"
    assert ended_by(services, services.do("process_recording", {"audio_files": ["nothing.wav"]})) == "meeting"
    assert dispatcher.get_status(left.task_id) is TaskState.PENDING
    services.workers["media"] = services.fleet.start("media", *ONE_PROCESS)
    assert ended_by(services, dispatcher.wait(left.task_id, 30)) == "media"


def test_b_09_a_mixed_load_is_done_by_the_right_services_and_none_of_it_dies(
    services: Services, tmp_path: Path
) -> None:
    video = services.put(write_video(tmp_path / "short.mp4", frames=5))
    store = services.fleet.dispatcher.store
    dead = store.dead_ids()
    load: list[tuple[str, dict[str, Any]]] = [
        *[("media_probe", {"source_url": video})] * 10,
        *[("emotion_detection", {"text": "I am glad about that."})] * 10,
        *[("content_generation", {"topic": "meetings", "length": 200})] * 10,
    ]
    answers = services.fleet.dispatcher.dispatch_batch([{"type": name, "payload": data} for name, data in load])
    for (name, _), answer in zip(load, answers, strict=True):
        ended = services.fleet.dispatcher.wait(answer.task_id, 60)
        assert ended.status is TaskState.COMPLETED
        assert ended_by(services, ended) == CATALOGUE.get(name).service
    assert store.dead_ids() == dead


def test_d3_20_speech_is_recognised(services: Services, instructions: Path) -> None:
    url = services.put(instructions)
    ended = services.do("speech_recognition", {"audio_url": url, "language": "en", "word_timestamps": True})
    assert ended.status is TaskState.COMPLETED, ended.error
    assert "go forward ten meters" in ended.result["text"]
    assert ended.result["engine"] == "pocketsphinx"
    assert ended.result["note"], "how far to trust it"
    assert CATALOGUE.get("speech_recognition").result.model_validate(ended.result)  # type: ignore[union-attr]


def test_d3_21_moods_are_told_with_their_method(services: Services) -> None:
    ended = services.do("emotion_detection", {"texts": [{"id": "a", "text": "Wonderful, I love it!"}, BAD_NEWS]})
    moods = {item["id"]: item["sentiment"] for item in ended.result["items"]}
    assert moods["a"] > 0 > moods["b"]
    assert ended.result["modality"] == "text"


BAD_NEWS = {"id": "b", "text": "This is terrible, I hate it."}


def test_d3_22_noise_becomes_less(services: Services, tmp_path: Path) -> None:
    voice, _ = spoken([1.0, 1.0])
    noisy = write_wav(tmp_path / "noisy.wav", voice + noise_like(voice, kind="white", snr_db=5))
    ended = services.do("audio_denoising", {"audio_url": services.put(noisy)})
    assert ended.status is TaskState.COMPLETED, ended.error
    assert ended.result["floor_after_db"] < ended.result["floor_before_db"] - 3
    assert probe(services.file(ended, "audio_url")).duration_ms == probe(noisy).duration_ms


def test_d3_23_a_video_is_enhanced(services: Services, tmp_path: Path) -> None:
    video = write_video(tmp_path / "small.mp4", frames=10)
    ended = services.do(
        "video_enhancement", {"video_url": services.put(video), "operations": ["scale"], "target_height": 240}
    )
    assert ended.status is TaskState.COMPLETED, ended.error
    assert (ended.result["width"], ended.result["height"]) == (320, 240)
    assert probe(services.file(ended, "video_url")).video[0].height == 240


def test_d3_25_loading_and_unloading_an_engine_are_events_on_the_processs_bus() -> None:
    heard: list[Event] = []
    both = threading.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        if len(heard) == 2:
            both.set()

    bus = local_bus()
    for event_type in ("model.loaded", "model_unloaded"):  # the two spellings
        bus.on(event_type, hear)
    try:
        registry = EngineRegistry(report)  # as the services' own registries do
        engine = registry.get("speech:en", lambda: np.zeros(3))
        assert registry.get("speech:en", lambda: np.ones(3)) is engine
        assert registry.unload("speech:en")
        assert not registry.unload("speech:en")
        assert both.wait(10)
    finally:
        for event_type in ("model.loaded", "model_unloaded"):
            bus.off(event_type, hear)
    assert sorted((event.type, event.payload["key"]) for event in heard) == [
        ("model_loaded", "speech:en"),
        ("model_unloaded", "speech:en"),
    ]


def test_d4_03_content_is_generated_from_a_topic(services: Services) -> None:
    ended = services.do("content_generation", {"topic": "AI技术", "style": "professional", "length": 300})
    assert ended.status is TaskState.COMPLETED, ended.error
    assert "AI技术" in ended.result["content"]
    with pytest.raises(InvalidPayload, match="length"):
        services.do("content_generation", {"topic": "AI技术", "length": "long"})


def test_d4_56_video_processing_tells_its_four_steps_in_order(services: Services, tmp_path: Path) -> None:
    url = services.put(write_video(tmp_path / "talk.mp4", size=(640, 480), frames=250))
    with services.fleet.dispatcher.store.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.psubscribe(keys.watch("*"))
        ended = services.do("video_processing", {"source_url": url, "profile": "original"})
        assert ended.status is TaskState.COMPLETED, ended.error
        steps = steps_told(pubsub, ended.task_id)
    # at most five reports a second reach the store, so a step that is over sooner may be left out: here the upload
    assert [step for step in steps if step != "上传"] == ["下载", "转码", "通知"]
    assert steps in (["下载", "转码", "上传", "通知"], ["下载", "转码", "通知"])
    assert probe(services.file(ended, "output_url")).has_video
    assert services.file(ended, "thumbnail_url").stat().st_size > 100


def steps_told(pubsub: Any, task_id: str) -> list[str]:
    """Return the steps of a task that has ended, each once, in the order in which they were told."""
    steps: list[str] = []

    def has_ended() -> bool:
        message = pubsub.get_message(timeout=1)
        told = json.loads(message["data"]) if message else {}
        if told.get("task") == task_id and told.get("step") not in (None, "", *steps[-1:]):
            steps.append(told["step"])
        return told.get("task") == task_id and told.get("event") == "completed"

    eventually(has_ended, 20)
    return steps


def test_d4_54_a_recordings_parts_are_tasks_of_the_one_that_was_submitted(
    services: Services, instructions: Path
) -> None:
    ended = services.do("process_recording", {"audio_files": [services.put(instructions)]}, meeting_id=456)
    assert ended.status is TaskState.COMPLETED, ended.error
    store = services.fleet.dispatcher.store
    parts = [store.get(entry["task"]) for _, entry in store.client.xrange(keys.STREAM)]
    own = {part.type: part for part in parts if part is not None and part.parent_task_id == ended.task_id}
    assert own.keys() >= {"run_ingest", "run_denoise", "run_split", "run_transcribe", "run_minutes", "run_notify"}
    assert {part.meeting_id for part in own.values()} == {456}
    record = store.get(ended.task_id)
    assert record is not None
    assert (record.progress.percent, record.progress.completed_steps) == (100, 7)


def test_d4_55_a_permanent_error_fails_at_once_with_its_reason(services: Services) -> None:
    ended = services.do("media_probe", {"source_url": "file:///nothing.mp4"}, max_retries=5)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["retryable"] is False
    record = services.fleet.dispatcher.get(ended.task_id)
    assert (record.attempt, record.retry_count) == (1, 0)
    assert record.error is not None
    assert record.error.error_class == "business"


def test_d3_19_a_service_without_its_server_says_so_and_waits_for_it(
    start_process: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    env = {"MT_BROKER_URL": f"redis+socket://{tmp_path}/nobody.sock", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "celery", "-A", "workers.signaling", "worker", "-P", "solo"]
    worker = start_process(command, env=env)
    worker.wait_for_line("Cannot connect to redis+socket://", 40)
    assert worker.popen.poll() is None
    wrong = start_process(command, env={**env, "MT_BROKER_URL": "localhost:6379"})
    wrong.wait_for_line("MT_BROKER_URL", 40)
    assert wrong.wait(40) != 0
