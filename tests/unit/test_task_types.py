"""The table of task types says what the platform promises about each type."""

import re
from typing import Any

import pytest

from meetingtasks.catalogue import Pool, TaskType
from meetingtasks.errors import UnknownTaskType
from meetingtasks.payloads.common import validate
from meetingtasks.retry import RetryBudget
from meetingtasks.states import ErrorClass, Priority
from meetingtasks.task_types import ALIAS_DEFAULTS, ANY_SERVICE, CATALOGUE, CLIENT_TYPES, DEFAULT_CONCURRENCY, QUEUES

QUEUE_OF = {
    "ai_tasks": (
        "speech_recognition emotion_detection synthesis_detection audio_denoising video_enhancement text_to_speech"
        " content_generation meeting_minutes speaker_recognition speaker_correction"
    ),
    "media_tasks": (
        "video_processing transcode upload recording media_processing stream_control media_probe extract_audio"
        " split_audio merge_audio thumbnail waveform"
    ),
    "meeting_tasks": ("process_recording meeting_control report_generation webhook_delivery cleanup user_management"),
    "notification": "notification hotspot_monitor",
    "user_tasks": "user_register user_login user_profile_update user_status_change",
    "signaling_tasks": "signaling webrtc_negotiation signaling_connection_manage client_push event_broadcast",
    "custom_tasks": "custom_task_type_1 custom_task_type_2",
}

# soft limits in seconds by class of work
LIMITS = {
    "ai": (30, 60),
    "media": (60, 120),
    "database": (5, 10),
    "network": (10, 30),
}
CLASS_OF = {
    "ai": "speech_recognition emotion_detection synthesis_detection audio_denoising text_to_speech",
    "media": (
        "video_enhancement video_processing transcode upload media_probe extract_audio split_audio merge_audio"
        " thumbnail waveform"
    ),
    "database": (
        "user_register user_login user_profile_update user_status_change user_management signaling"
        " webrtc_negotiation signaling_connection_manage client_push event_broadcast meeting_control"
    ),
    "network": "recording media_processing stream_control notification webhook_delivery hotspot_monitor",
}
EXCEPTIONS = {
    "content_generation": 300,  # a language model writes up to 20 000 characters
    "meeting_minutes": 180,  # several questions to a language model, one after another
    "speaker_recognition": 120,  # many samples of one recording
    "speaker_correction": 120,
    "process_recording": 21_600,  # the whole run; its stages have their own limits
    "report_generation": 120,  # reads weeks of history
    "cleanup": 300,  # walks whole directories
    "custom_task_type_1": 60,  # the platform's own
    "custom_task_type_2": 60,
}

ALIASES = {
    "speech_recognition": "ai.speech_recognition asr",
    "emotion_detection": "ai.emotion_detection",
    "synthesis_detection": "ai.synthesis_detection deepfake_detection ai.deepfake_detection",
    "audio_denoising": "ai.audio_denoising",
    "video_enhancement": "ai.video_enhancement",
    "meeting_minutes": "action_items summary_notes",
    "speaker_recognition": "identifying",
    "speaker_correction": "correcting",
    "transcode": "media_transcode media.transcode video_transcode",
    "upload": "media.upload_to_minio upload_to_minio",
    "recording": "media.record media_recording_start media_recording_stop",
    "media_processing": "media.start media.stop media.screen_share",
    "stream_control": "media_stream_process",
    "process_recording": "meeting.recording_process",
    "meeting_control": (
        "meeting.join meeting.leave meeting.mute meeting.unmute meeting.kick_user"
        " meeting_create meeting_end meeting_user_join meeting_user_leave"
    ),
    "user_register": "user.register",
    "user_login": "user.login",
    "user_profile_update": "user.profile_update",
    "user_status_change": "user.status_change",
    "signaling": "chat.send chat.history",
    "webrtc_negotiation": "signaling_webrtc_offer signaling_webrtc_answer signaling_ice_candidate",
    "signaling_connection_manage": "signaling.connection_manage",
}

# the least that each alias with an implied field needs besides
ALIAS_EXAMPLES: dict[str, dict[str, Any]] = {
    "action_items": {"transcript_url": "file:///t.json"},
    "summary_notes": {"transcript_url": "file:///t.json"},
    "media.start": {"stream_id": "s"},
    "media.stop": {"stream_id": "s"},
    "media.screen_share": {"stream_id": "s"},
    "media.stream_process": {"stream_id": "s"},
    "media_stream_process": {"stream_id": "s"},
    "meeting.kick_user": {"target_user_id": "u"},
    "chat.send": {"content": "hello"},
    "signaling_webrtc_offer": {"session_id": "s", "sdp": "v=0\r\n"},
    "signaling_webrtc_answer": {"session_id": "s", "sdp": "v=0\r\n"},
    "signaling_ice_candidate": {"session_id": "s", "candidate": {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0}},
    "signaling.webrtc_offer": {"session_id": "s", "sdp": "v=0\r\n"},
    "signaling.webrtc_answer": {"session_id": "s", "sdp": "v=0\r\n"},
    "signaling.ice_candidate": {"session_id": "s", "candidate": {"candidate": ""}},
}


def pairs(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(key, word) for key, words in table.items() for word in words.split()]


def types() -> list[TaskType]:
    named = {name for _, name in pairs(QUEUE_OF)}
    return [task_type for task_type in CATALOGUE if task_type.name in named]  # others may be added at run time


@pytest.mark.parametrize(("queue", "name"), pairs(QUEUE_OF))
def test_d1_01_each_type_goes_to_its_services_queue(queue: str, name: str) -> None:
    assert CATALOGUE.get(name).queue == queue


def test_the_tables_here_speak_of_every_type() -> None:
    named = {name for _, name in pairs(QUEUE_OF)}
    assert {task_type.name for task_type in types()} == named
    assert {name for _, name in pairs(CLASS_OF)} | set(EXCEPTIONS) == named


@pytest.mark.parametrize("task_type", types(), ids=lambda t: t.name)
def test_a_row_is_complete(task_type: TaskType) -> None:
    assert task_type.queue in QUEUES
    assert QUEUES[task_type.queue].service in {task_type.service, ANY_SERVICE}
    assert task_type.soft_limit_s < task_type.hard_limit_s
    assert task_type.summary
    assert task_type.retries.business == 0
    assert (task_type.result is None) == task_type.name.startswith("custom_")
    assert f"{task_type.service}.{task_type.name}" in task_type.aliases


@pytest.mark.parametrize(("kind", "name"), pairs(CLASS_OF))
def test_d1_34_the_time_limit_fits_the_class_of_work(kind: str, name: str) -> None:
    least, most = LIMITS[kind]
    assert least <= CATALOGUE.get(name).soft_limit_s <= most


@pytest.mark.parametrize(("name", "limit_s"), EXCEPTIONS.items())
def test_d1_34_exceptions_are_those_with_a_reason(name: str, limit_s: int) -> None:
    assert CATALOGUE.get(name).soft_limit_s == limit_s


@pytest.mark.parametrize(("name", "alias"), pairs(ALIASES))
def test_x_03_aliases_lead_to_their_type(name: str, alias: str) -> None:
    assert CATALOGUE.get(alias).name == name


def test_x_01_names_of_the_older_services_are_types() -> None:
    names = (
        "synthesis_detection text_to_speech media_processing stream_control recording meeting_control user_management"
        " signaling webrtc_negotiation"
    )
    assert all(CATALOGUE.get(name).name == name for name in names.split())


def test_x_03_the_sixteen_service_task_names_are_accepted() -> None:
    names = [
        *("user_register", "user_login", "user_profile_update", "user_status_change"),
        *("meeting_create", "meeting_end", "meeting_user_join", "meeting_user_leave"),
        *("media_transcode", "media_recording_start", "media_recording_stop", "media_stream_process"),
        *("signaling_webrtc_offer", "signaling_webrtc_answer", "signaling_ice_candidate"),
        "signaling_connection_manage",
    ]
    assert len(names) == 16
    services = {name: CATALOGUE.get(name).service for name in names}
    assert all(name.startswith(f"{service}_") for name, service in services.items())


def test_x_02_clients_may_submit_sixteen_names() -> None:
    assert len(CLIENT_TYPES) == 16
    assert all(name in CATALOGUE for name in CLIENT_TYPES)
    assert not any("custom" in name or "user" in name.split(".")[0] for name in CLIENT_TYPES)


@pytest.mark.parametrize("alias", ALIAS_DEFAULTS)
def test_an_alias_brings_the_field_that_its_name_says(alias: str) -> None:
    implied = ALIAS_DEFAULTS[alias]
    payload = validate(CATALOGUE.get(alias).payload, {**implied, **ALIAS_EXAMPLES.get(alias, {})})
    assert {name: getattr(payload, name) for name in implied} == implied


def test_the_implied_field_is_the_aliass_last_word() -> None:
    others = {
        "media.screen_share": {"action": "start", "media_type": "screen"},
        "media.record": {"action": "start"},
    }
    for alias, implied in ALIAS_DEFAULTS.items():
        if alias in others:
            assert implied == others[alias]
        else:
            assert all(alias.endswith(word) for word in implied.values())


def test_every_alias_that_names_an_action_has_it_implied() -> None:
    chosen_by_name = {"media_processing", "recording", "stream_control", "meeting_control", "signaling"}
    for task_type in types():
        own = {task_type.name, f"{task_type.service}.{task_type.name}"}
        if task_type.name in chosen_by_name:
            assert set(task_type.aliases) - own <= set(ALIAS_DEFAULTS)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("speech_recognition", 10),
        ("emotion_detection", 20),
        ("synthesis_detection", 15),
        ("audio_denoising", 30),
        ("video_enhancement", 5),
    ],
)
def test_x_08_ai_types_are_capped_over_all_workers(name: str, limit: int) -> None:
    assert CATALOGUE.get(name).concurrency == limit


@pytest.mark.parametrize(
    ("queue", "concurrency"),
    [("cpu_intensive", 2), ("io_intensive", 20), ("notification", 10), ("processing", 10), ("upload", 5)],
)
def test_d4_57_queues_by_kind_of_work_have_their_concurrency(queue: str, concurrency: int) -> None:
    assert QUEUES[queue].concurrency == concurrency
    assert QUEUES[queue].service == ANY_SERVICE


def test_other_queues_run_five_at_once() -> None:
    assert DEFAULT_CONCURRENCY == 5
    assert {QUEUES[name].concurrency for name in QUEUE_OF if name != "notification"} == {5}
    assert QUEUES["default"].concurrency == 5


def test_d1_33_urgency_follows_the_meaning_of_the_levels() -> None:
    by_level = {level: {t.name for t in types() if t.priority is level} for level in Priority}
    assert by_level[Priority.CRITICAL] == {"webrtc_negotiation"}
    assert by_level[Priority.HIGH] == {
        *("text_to_speech", "recording", "media_processing", "stream_control", "meeting_control"),
        *("signaling", "signaling_connection_manage", "client_push", "event_broadcast"),
    }
    assert by_level[Priority.LOW] == {"video_enhancement", "report_generation", "cleanup", "hotspot_monitor"}
    live = {t.name: t.live_priority for t in types() if t.live_priority}
    assert live == dict.fromkeys(("speech_recognition", "emotion_detection", "audio_denoising"), Priority.HIGH)


def test_d1_35_retries_follow_the_class_of_the_error() -> None:
    budget = CATALOGUE.get("meeting_minutes").retries
    assert [budget.allowed(c) for c in (ErrorClass.NETWORK, ErrorClass.TRANSIENT, ErrorClass.BUSINESS)] == [3, 2, 0]
    assert CATALOGUE.get("speech_recognition").retries == RetryBudget(network=3, transient=2, resource=1)
    assert CATALOGUE.get("transcode").retries == RetryBudget(network=3, transient=1, resource=1)
    assert CATALOGUE.get("webhook_delivery").retries.network == 8


def test_what_is_stale_soon_expires() -> None:
    expiring = {t.name: t.expires_s for t in types() if t.expires_s is not None}
    assert expiring == {"signaling": 30, "webrtc_negotiation": 10}


def test_long_media_gets_longer_limits() -> None:
    factors = {t.name: t.media_factor for t in types() if t.media_factor}
    assert factors["speech_recognition"] == 2
    assert factors["video_enhancement"] == 6
    assert factors["transcode"] == factors["video_processing"] == 4
    assert all(CATALOGUE.get(name).pool is Pool.CPU for name in factors)


def test_d4_56_video_processing_has_the_four_steps() -> None:
    assert CATALOGUE.get("video_processing").steps == ("下载", "转码", "上传", "通知")


@pytest.mark.parametrize("name", ["Transcode", "transcode ", "tr\u0430nscode", "transcod"])
def test_a_near_name_is_refused_with_the_right_one(name: str) -> None:
    with pytest.raises(UnknownTaskType, match=r"unknown task type .*did you mean .*transcode"):
        CATALOGUE.get(name)


def test_names_are_plain() -> None:
    assert all(re.fullmatch(r"[a-z0-9_.-]+", name) for name in CATALOGUE.aliases())
