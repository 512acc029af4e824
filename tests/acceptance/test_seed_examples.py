"""Requests as the systems before this one wrote them, word for word, through the dispatcher to the record."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import UnknownTaskType
from meetingtasks.requests import TaskRequest
from meetingtasks.states import Priority, TaskState
from meetingtasks.task_types import CLIENT_TYPES

SOUND = base64.b64encode(bytes(range(256))).decode()
AUDIO = {"audio_data": SOUND, "format": "wav", "sample_rate": 16000}


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


def test_d1_16_the_dispatchers_own_example(dispatcher: TaskDispatcher) -> None:
    request = {
        "type": "speech_recognition",
        "priority": "high",
        "user_id": 123,
        "meeting_id": 456,
        "session_id": "session-abc",
        "payload": AUDIO,
        "timeout": 30,
        "max_retries": 3,
    }
    accepted = dispatcher.dispatch(request)
    assert accepted.status is TaskState.PENDING
    record = dispatcher.get(accepted.task_id)
    assert record.priority is Priority.HIGH
    about = {name: getattr(record, name) for name in request.keys() - {"priority", "timeout"}}
    assert about | {"timeout": record.timeout_s, "priority": "high"} == request
    same = TaskRequest.model_validate(request)
    assert dispatcher.get(dispatcher.dispatch(same).task_id).payload == AUDIO


def test_d1_16_the_examples_placeholder_for_sound_is_accepted_too(dispatcher: TaskDispatcher) -> None:
    payload = {"audio_data": "base64_encoded_audio", "format": "wav", "sample_rate": 16000}
    accepted = dispatcher.dispatch({"type": "speech_recognition", "payload": payload})
    assert dispatcher.get(accepted.task_id).payload == payload


def test_d1_19_the_batch_of_speech_and_faces(dispatcher: TaskDispatcher) -> None:
    answers = dispatcher.dispatch_batch(
        [
            {"type": "speech_recognition", "priority": "high", "payload": {"data": "audio1"}},
            {"type": "emotion_detection", "priority": "normal", "payload": {"data": "image1"}},
        ]
    )
    assert all(answer.ok for answer in answers)
    records = [dispatcher.get(answer.task_id) for answer in answers]
    assert [(record.type, record.priority.value) for record in records] == [
        ("speech_recognition", "high"),
        ("emotion_detection", "normal"),
    ]


def test_d4_07_the_queue_services_own_example(dispatcher: TaskDispatcher) -> None:
    payload = {"topic": "AI技术发展趋势", "style": "专业深度", "length": 2000}
    accepted = dispatcher.dispatch(
        {
            "task_type": "content_generation",
            "queue_name": "processing",
            "priority": Priority.HIGH,
            "payload": payload,
            "max_retries": 3,
            "timeout": 300,
            "user_id": "user-123",
            "project_id": "project-456",
        }
    )
    record = dispatcher.get(accepted.task_id)
    assert (record.type, record.queue, record.priority) == ("content_generation", "processing", Priority.HIGH)
    assert (record.payload, record.max_retries, record.timeout_s) == (payload, 3, 300)
    assert (record.user_id, record.project_id) == ("user-123", "project-456")


@pytest.mark.parametrize(
    ("task_type", "queue", "payload"),
    [
        ("content_generation", "processing", {"topic": "AI技术"}),
        ("report_generation", "processing", {"report_type": "hourly"}),
        ("report_generation", "processing", {"report_type": "daily"}),
        ("hotspot_monitor", "notification", {}),
    ],
)
def test_d4_07_the_other_examples_of_the_queue_service(
    dispatcher: TaskDispatcher, task_type: str, queue: str, payload: dict[str, Any]
) -> None:
    accepted = dispatcher.dispatch({"task_type": task_type, "queue_name": queue, "payload": payload})
    record = dispatcher.get(accepted.task_id)
    assert (record.type, record.queue, record.payload) == (task_type, queue, payload)


MEETING = {"meeting_id": 456, "user_id": 123}
OFFER = {"session_id": "s", "sdp": "v=0\r\n"}
CANDIDATE = {"session_id": "s", "candidate": {"candidate": ""}}
MANAGE = "signaling_connection_manage"
RTC = ("webrtc_negotiation", "signaling_tasks")
# the name that was used, what it needs, the type and queue it leads to, and what the name itself says
NAMES: list[tuple[str, dict[str, Any], str, str, dict[str, Any]]] = [
    ("ai.speech_recognition", AUDIO, "speech_recognition", "ai_tasks", {}),
    ("ai.emotion_detection", {"text": "太好了"}, "emotion_detection", "ai_tasks", {}),
    ("ai.synthesis_detection", AUDIO, "synthesis_detection", "ai_tasks", {}),
    ("ai.deepfake_detection", AUDIO, "synthesis_detection", "ai_tasks", {}),
    ("ai.audio_denoising", AUDIO, "audio_denoising", "ai_tasks", {}),
    ("ai.video_enhancement", {"video_url": "file:///a.mp4"}, "video_enhancement", "ai_tasks", {}),
    ("media.start", {"stream_id": "s"}, "media_processing", "media_tasks", {"action": "start"}),
    ("media.stop", {"stream_id": "s"}, "media_processing", "media_tasks", {"action": "stop"}),
    ("media.screen_share", {"stream_id": "s"}, "media_processing", "media_tasks", {"media_type": "screen"}),
    ("media.record", {"meeting_id": 456}, "recording", "media_tasks", {"action": "start"}),
    ("media.transcode", {"video_id": 7}, "transcode", "media_tasks", {}),
    ("media_transcode", {"video_id": 7}, "transcode", "media_tasks", {}),
    ("media.upload_to_minio", {"source_url": "file:///a", "bucket": "abc", "key": "k"}, "upload", "media_tasks", {}),
    ("media_recording_start", {"meeting_id": 456}, "recording", "media_tasks", {"action": "start"}),
    ("media_recording_stop", {"meeting_id": 456}, "recording", "media_tasks", {"action": "stop"}),
    ("media_stream_process", {"stream_id": "s"}, "stream_control", "media_tasks", {"action": "process"}),
    ("meeting.join", MEETING, "meeting_control", "meeting_tasks", {"action": "join"}),
    ("meeting.leave", MEETING, "meeting_control", "meeting_tasks", {"action": "leave"}),
    ("meeting.mute", MEETING, "meeting_control", "meeting_tasks", {"action": "mute"}),
    ("meeting.unmute", MEETING, "meeting_control", "meeting_tasks", {"action": "unmute"}),
    ("meeting.kick_user", MEETING | {"target_user_id": 5}, "meeting_control", "meeting_tasks", {"action": "kick_user"}),
    ("meeting_create", MEETING, "meeting_control", "meeting_tasks", {"action": "create"}),
    ("meeting_end", MEETING, "meeting_control", "meeting_tasks", {"action": "end"}),
    ("meeting_user_join", MEETING, "meeting_control", "meeting_tasks", {"action": "join"}),
    ("meeting_user_leave", MEETING, "meeting_control", "meeting_tasks", {"action": "leave"}),
    ("meeting.recording_process", {"audio_files": ["a.wav"]}, "process_recording", "meeting_tasks", {}),
    ("chat.send", {"content": "你好"}, "signaling", "signaling_tasks", {"action": "send"}),
    ("chat.history", {"meeting_id": 456}, "signaling", "signaling_tasks", {"action": "history"}),
    ("signaling_webrtc_offer", OFFER, *RTC, {"kind": "offer"}),
    ("signaling_webrtc_answer", OFFER, *RTC, {"kind": "answer"}),
    ("signaling_ice_candidate", CANDIDATE, *RTC, {"kind": "ice_candidate"}),
    (MANAGE, {"action": "connect", "session_id": "s"}, MANAGE, "signaling_tasks", {}),
    ("user_register", {"username": "li", "email": "li@example.org"}, "user_register", "user_tasks", {}),
    ("user_login", {"username": "li", "user_id": 123}, "user_login", "user_tasks", {}),
    ("user_profile_update", {"user_id": 123, "updates": {"name": "李"}}, "user_profile_update", "user_tasks", {}),
    ("user_status_change", {"user_id": 123, "status": "away"}, "user_status_change", "user_tasks", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "payload", "task_type", "queue", "said"), NAMES, ids=[row[0] for row in NAMES])
def test_x_02_x_03_an_older_name_leads_to_its_type_and_queue(  # noqa: PLR0917 - one argument per column of the table
    dispatcher: TaskDispatcher,
    name: str,
    payload: dict[str, Any],
    task_type: str,
    queue: str,
    said: dict[str, Any],
) -> None:
    record = dispatcher.get(dispatcher.dispatch({"type": name, "payload": payload}).task_id)
    assert (record.type, record.queue) == (task_type, queue)
    assert record.payload.items() >= said.items()


def test_x_02_every_name_that_clients_use_is_in_the_table() -> None:
    assert {row[0] for row in NAMES} >= CLIENT_TYPES


@pytest.mark.parametrize("name", ["ai.teleport", "meeting.dance", "chat", "AI.speech_recognition", "media."])
def test_x_02_an_unknown_name_is_refused_and_becomes_nothing_else(dispatcher: TaskDispatcher, name: str) -> None:
    with pytest.raises(UnknownTaskType, match="unknown task type"):
        dispatcher.dispatch({"type": name})
    assert dispatcher.store.live_count() == 0
