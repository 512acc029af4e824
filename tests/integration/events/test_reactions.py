"""What the services do because of events, with the real functions, and with a real worker."""

from collections.abc import Callable, Iterator

import pytest

from meetingtasks import settings
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.events import Event, RedisPubSubQueue
from meetingtasks.events.facts.media import RecordingProcessed, RecordingStarted, RecordingStopped, StreamProcessed
from meetingtasks.events.facts.meeting import MeetingEnded, MeetingUserLeft
from meetingtasks.records import TaskRecord
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess
from tests.support.service_workers import start_worker
from workers.reactions import sessions
from workers.reactions.recordings import make_minutes, stop_recordings
from workers.reactions.streams import recognise_speech
from workers.reactions.submitting import task_id_of

OpenBus = Callable[..., RedisPubSubQueue]


@pytest.fixture
def dispatcher(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskDispatcher]:
    monkeypatch.setenv("MT_BROKER_URL", broker_url)
    settings.current.cache_clear()
    with TaskDispatcher(broker_url) as running:
        yield running
    settings.current.cache_clear()


@pytest.fixture
def bus(dispatcher: TaskDispatcher, broker_url: str, open_bus: OpenBus) -> RedisPubSubQueue:
    del dispatcher
    return open_bus(broker_url)


def last(bus: RedisPubSubQueue, channel: str) -> Event:
    return list(bus.since(channel))[-1]


def tasks(dispatcher: TaskDispatcher) -> list[TaskRecord]:
    return [record for record in dispatcher.store.get_many(dispatcher.store.live_ids()) if record is not None]


def test_the_end_of_a_meeting_stops_what_still_records_it(dispatcher: TaskDispatcher, bus: RedisPubSubQueue) -> None:
    for recording_id, meeting_id in (("r1", 1), ("r2", 1), ("r3", 2)):
        bus.publish("media_events", RecordingStarted(recording_id=recording_id, meeting_id=meeting_id))
    bus.publish("media_events", RecordingStopped(recording_id="r1", meeting_id=1))
    bus.publish("meeting_events", MeetingEnded(meeting_id=1))
    react = stop_recordings(dispatcher.app)
    for _ in range(2):  # a reaction that is begun twice submits once
        react(last(bus, "meeting_events"))
    (task,) = tasks(dispatcher)
    assert (task.type, task.meeting_id) == ("recording", 1)
    assert task.payload == {"action": "stop", "meeting_id": "1", "recording_id": "r2"}


@pytest.mark.parametrize("wanted", [True, False])
def test_a_finished_recording_goes_into_the_pipeline_when_minutes_are_wanted(
    dispatcher: TaskDispatcher, bus: RedisPubSubQueue, wanted: bool
) -> None:
    fact = RecordingProcessed(recording_id="r1", meeting_id=1, file_url="file:///a.wav", minutes_wanted=wanted)
    bus.publish("media_events", fact)
    react = make_minutes(dispatcher.app)
    for _ in range(2):
        react(last(bus, "media_events"))
    found = [(task.type, task.payload["audio_files"], task.meeting_id) for task in tasks(dispatcher)]
    assert found == ([("process_recording", ["file:///a.wav"], 1)] if wanted else [])


def test_d3_24_a_stored_piece_of_a_stream_is_recognised_ahead_of_what_is_not_live(
    dispatcher: TaskDispatcher, bus: RedisPubSubQueue
) -> None:
    react = recognise_speech(dispatcher.app)
    bus.publish("media_events", StreamProcessed(stream_id="s1", meeting_id=1))
    react(last(bus, "media_events"))
    assert tasks(dispatcher) == []  # there is nothing to hear
    bus.publish(
        "media_events", StreamProcessed(stream_id="s1", meeting_id=1, audio_url="file:///p.wav", offset_ms=5000)
    )
    for _ in range(2):
        react(last(bus, "media_events"))
    (task,) = tasks(dispatcher)
    assert (task.type, task.priority, task.payload["offset_ms"]) == ("speech_recognition", "high", 5000)


def test_who_keeps_something_for_a_session_is_told_that_its_user_left(
    bus: RedisPubSubQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[MeetingUserLeft] = []
    monkeypatch.setattr(sessions, "ON_LEAVING", [told.append])
    fact = MeetingUserLeft(meeting_id=1, user_id=2, session_id="s")
    bus.publish("meeting_events", fact)
    sessions.release_session(last(bus, "meeting_events"))
    assert told == [fact]


def test_x_04_a_worker_reacts_also_to_what_happened_while_it_was_away_and_says_that_it_is_there(
    dispatcher: TaskDispatcher,
    bus: RedisPubSubQueue,
    broker_url: str,
    start_process: Callable[..., RunningProcess],
) -> None:
    fact = RecordingProcessed(recording_id="r1", meeting_id=1, file_url="file:///nowhere.wav")
    worker = start_worker(start_process, broker_url, service="workers.meeting")
    (started,) = eventually(lambda: [e for e in bus.since("system_events") if e.type == "service_started"])
    assert started.payload["service"] == "meeting"
    bus.publish("media_events", fact)
    first = task_id_of(last(bus, "media_events"), "process_recording")
    eventually(lambda: dispatcher.store.get(first), 30)
    worker.popen.terminate()
    worker.popen.wait(30)
    assert [e.payload["service"] for e in bus.since("system_events") if e.type == "service_stopping"] == ["meeting"]
    bus.publish("media_events", fact)
    second = task_id_of(last(bus, "media_events"), "process_recording")
    assert dispatcher.store.get(second) is None
    start_worker(start_process, broker_url, service="workers.meeting")
    found = eventually(lambda: dispatcher.store.get(second), 30)
    assert found is not None
    assert found.type == "process_recording"


def test_x_04_a_result_of_the_ai_service_is_told_once_it_stands_in_the_record(
    dispatcher: TaskDispatcher,
    bus: RedisPubSubQueue,
    broker_url: str,
    start_process: Callable[..., RunningProcess],
) -> None:
    start_worker(start_process, broker_url, "-P", "prefork", "-c", "1", service="workers.ai")
    request = {"type": "emotion_detection", "payload": {"text": "This is wonderful!"}, "meeting_id": 7}
    ended = dispatcher.dispatch_and_wait(request, 60)
    assert ended.result is not None, ended.error
    (event,) = eventually(lambda: list(bus.since("ai_events")))
    assert (event.type, event.payload["task_id"], event.meeting_id) == ("emotion_detection.completed", ended.task_id, 7)
    assert event.payload["summary"]["emotion"] == ended.result["emotion"]
