"""The producer's side of declared tasks: what `delay`, `submit` and signatures store, and what they refuse."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meetingtasks.context import TaskContext
from meetingtasks.errors import InvalidPayload, TaskConflict
from meetingtasks.payloads.ai import EmotionDetectionPayload, SpeechRecognitionPayload
from meetingtasks.records import TaskRecord
from meetingtasks.settings import Settings
from meetingtasks.states import Priority, TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import TaskStore
from meetingtasks.task import Service, TypedTask

UUID = "0f3c7c1e-9a50-4f6e-8f6e-2d9c1b0a7e55"
URL = "file:///call.wav"


class Producer:
    """A service's tasks on this test's own server, where no worker runs."""

    def __init__(self, broker_url: str) -> None:
        service = Service("ai", settings=Settings(broker_url=broker_url))
        self.store = TaskStore(connect(broker_url))

        @service.task(SpeechRecognitionPayload)
        def speech_recognition(payload: SpeechRecognitionPayload, ctx: TaskContext) -> dict[str, Any]:
            return {"language": payload.language, "attempt": ctx.attempt}

        @service.task(EmotionDetectionPayload)
        def emotion_detection(payload: EmotionDetectionPayload, ctx: TaskContext) -> None:
            return None

        # every wrong argument is a type error too, so the tests of refusals need the untyped face
        self.speech: Any = speech_recognition
        self.mood: TypedTask[Any, None] = emotion_detection

    def record(self, task_id: str) -> TaskRecord:
        record = self.store.get(task_id)
        assert record is not None
        return record


@pytest.fixture
def producer(broker_url: str) -> Producer:
    return Producer(broker_url)


def test_delay_takes_the_types_own_values(producer: Producer) -> None:
    record = producer.record(producer.speech.delay(audio_url=URL, language="en").id)
    assert (record.type, record.queue, record.priority) == ("speech_recognition", "ai_tasks", Priority.NORMAL)
    assert record.payload == {"audio_url": URL, "language": "en"}


def test_submit_takes_fields_of_a_request_beside_the_payload(producer: Producer) -> None:
    about = {"priority": "high", "meeting_id": 456, "timeout": 30, "max_retries": 0, "metadata": {"a": 1}}
    record = producer.record(producer.speech.submit(about, audio_url=URL).id)
    assert (record.priority, record.meeting_id, record.timeout_s, record.max_retries, record.metadata) == (
        *(Priority.HIGH, 456, 30, 0),
        {"a": 1},
    )


@pytest.mark.parametrize(
    ("arguments", "fields", "field"),
    [
        ((3,), {}, "/payload"),
        ((URL,), {}, "/payload"),
        ((), {"audio_uri": URL}, "/payload/audio_uri"),
        ((), {"audio_url": 3}, "/payload/audio_url"),
        ((), {"audio_url": URL, "sample_rate": "fast"}, "/payload/sample_rate"),
        ((), {}, "/payload"),
    ],
)
@pytest.mark.parametrize("way", ["delay", "submit", "apply_async", "signature"])
def test_d1_16_a_wrong_argument_is_refused_at_the_producer_and_nothing_is_stored(
    producer: Producer, way: str, arguments: tuple[Any, ...], fields: dict[str, Any], field: str
) -> None:
    ways: dict[str, Callable[[], object]] = {
        "delay": lambda: producer.speech.delay(*arguments, **fields),
        "submit": lambda: producer.speech.submit({"priority": "high"}, *arguments, **fields),
        "apply_async": lambda: producer.speech.apply_async(arguments, fields),
        "signature": lambda: producer.speech.si(*arguments, **fields).apply_async(),
    }
    with pytest.raises(InvalidPayload) as raised:
        ways[way]()
    assert field in [problem["field"] for problem in raised.value.details["fields"]]
    assert producer.store.client.keys("*") == []


def test_a_wrong_field_of_the_request_is_refused_too(producer: Producer) -> None:
    with pytest.raises(InvalidPayload, match="priority must be one of"):
        producer.speech.submit({"priority": 5}, audio_url=URL)
    assert producer.store.client.keys("*") == []


def test_a_task_that_is_called_runs_here_and_now(producer: Producer) -> None:
    assert producer.speech(audio_url=URL, language="zh-CN") == {"language": "zh-CN", "attempt": 1}
    with pytest.raises(InvalidPayload):
        producer.speech(3)
    assert producer.store.client.keys("*") == []


def test_an_id_of_ones_own_is_taken_once(producer: Producer) -> None:
    assert producer.speech.submit({"task_id": UUID}, audio_url=URL).id == UUID
    for again in (
        lambda: producer.speech.submit({"task_id": UUID}, audio_url=URL),
        lambda: producer.mood.apply_async(kwargs={"text": "x"}, task_id=UUID),
    ):
        with pytest.raises(TaskConflict):
            again()
    assert producer.store.live_ids() == [UUID]


@pytest.mark.parametrize(
    ("options", "state"),
    [({}, TaskState.PENDING), ({"countdown": 60}, TaskState.SCHEDULED), ({"countdown": 0}, TaskState.PENDING)],
)
def test_celerys_times_are_on_the_record(producer: Producer, options: dict[str, Any], state: TaskState) -> None:
    sent = producer.mood.apply_async(kwargs={"text": "x"}, expires=3600, **options)
    record = producer.record(sent.id)
    assert record.state is state
    assert record.expires_ms is not None
    assert abs(record.expires_ms - record.created_ms - 3_600_000) < 60_000
    assert (record.eta_ms is not None) is (state is TaskState.SCHEDULED)


def test_a_time_without_a_zone_is_utc_as_celery_has_it(producer: Producer) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    sent = producer.mood.apply_async(kwargs={"text": "x"}, eta=due.replace(tzinfo=None))
    assert producer.record(sent.id).eta_ms == round(due.timestamp() * 1000)


def test_a_signature_carries_its_request_along(producer: Producer) -> None:
    signature = producer.mood.si(text="好")
    sent = json.loads(json.dumps(signature))
    assert (sent["task"], sent["kwargs"]) == ("meetingtasks.ai.emotion_detection", {"text": "好"})
    record = producer.record(signature.set(queue="io_intensive", priority=0).apply_async().id)
    assert (record.queue, record.priority, record.payload) == ("io_intensive", Priority.CRITICAL, {"text": "好"})
