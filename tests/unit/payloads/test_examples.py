"""Payloads of the documents' examples are accepted as they stand."""

import base64
from typing import Any

import pytest

from meetingtasks.payloads.common import decode_inline, validate
from meetingtasks.task_types import CATALOGUE

SOUND = base64.b64encode(bytes(range(256))).decode()

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("speech_recognition", {"audio_data": SOUND, "format": "wav", "sample_rate": 16000}),
    ("speech_recognition", {"audio_data": "base64_encoded_audio", "format": "wav", "sample_rate": 16000}),
    ("speech_recognition", {"audio_data": "base64_encoded_audio"}),
    ("speech_recognition", {"data": "audio1"}),
    ("speech_recognition", {"audio": "data"}),
    ("speech_recognition", {"audio_url": "s3://meetings/a.wav", "language": "zh-CN+en-US"}),
    ("speech_recognition", {"audio_url": "file:///a.mp3", "audio_format": "mp3"}),
    ("emotion_detection", {"data": "image1"}),
    ("emotion_detection", {"texts": [{"id": 1, "text": "太好了"}, {"id": "b", "text": "no"}]}),
    ("content_generation", {"topic": "AI技术发展趋势", "style": "专业深度", "length": 2000}),
    ("content_generation", {"topic": "AI技术"}),
    ("report_generation", {"report_type": "hourly"}),
    ("report_generation", {"report_type": "daily"}),
    ("hotspot_monitor", {}),
    ("cleanup", {}),
    ("process_recording", {"audio_files": ["meeting.wav"], "meeting_type": "weekly_sync"}),
    (
        "process_recording",
        {
            "audio_files": ["b.wav", "file:///recordings/a.wav"],
            "file_order": [1, 0],
            "original_filenames": ["第二.wav", "第一.wav"],
            "asr_language": "zh-CN+en-US",
            "output_language": "en-US",
            "skip_speaker_recognition": True,
            "hotword_set_id": "products",
            "meeting_date": "2026-02-21",
            "meeting_time": "09:30",
            "user_id": 123,
            "notify": {"channels": ["email"], "emails": ["host@example.org"]},
        },
    ),
    ("transcode", {"video_id": 7, "resolution": "1280x720", "bitrate": 2_000_000}),
    ("video_processing", {"source_url": "https://media.example.org/a.mp4"}),
    ("upload", {"source_url": "file:///a.mp4", "bucket": "meetings", "key": "2026/a.mp4"}),
    ("meeting_control", {"action": "join", "meeting_id": 456, "user_id": 123}),
    ("custom_task_type_1", {"anything": [1, {"at": None}, "ü"]}),
    ("custom_task_type_2", {}),
]


@pytest.mark.parametrize(("name", "data"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else "")
def test_an_example_is_accepted_and_survives_json(name: str, data: dict[str, Any]) -> None:
    model = CATALOGUE.get(name).payload
    payload = validate(model, data)
    assert validate(model, payload.model_dump(mode="json")) == payload
    assert validate(model, payload.model_dump(mode="json", exclude_unset=True)) == payload


def test_numbers_from_a_database_become_identifiers() -> None:
    payload = validate(CATALOGUE.get("user_login").payload, {"username": "ada", "user_id": 123})
    assert payload.model_dump(exclude_unset=True) == {"username": "ada", "user_id": "123"}


def test_names_are_stored_composed() -> None:
    payload = validate(CATALOGUE.get("user_login").payload, {"username": "Rene\u0301", "user_id": "1"})
    assert payload.model_dump()["username"] == "Ren\u00e9"


def test_times_are_kept_in_utc() -> None:
    data = {"report_type": "daily", "period_start": "2026-02-21T09:00:00+08:00"}
    kept = validate(CATALOGUE.get("report_generation").payload, data).model_dump(mode="json", exclude_unset=True)
    assert kept["period_start"] == "2026-02-21T01:00:00Z"


def test_a_file_keeps_its_exact_name() -> None:
    data = {"source_url": "file:///Rene\u0301.wav"}  # another name than the composed one
    assert validate(CATALOGUE.get("media_probe").payload, data).model_dump() == data


@pytest.mark.parametrize("text", [SOUND, SOUND.rstrip("="), SOUND.replace("+", "-").replace("/", "_")])
def test_inline_data_has_either_alphabet(text: str) -> None:
    validate(CATALOGUE.get("speech_recognition").payload, {"audio_data": text})
    assert decode_inline(text) == bytes(range(256))


def test_defaults_are_not_shared_between_payloads() -> None:
    model = CATALOGUE.get("notification").payload
    first, second = (validate(model, {"recipients": ["u"]}).model_dump() for _ in range(2))
    first["data"]["changed"] = True
    assert second["data"] == {}
