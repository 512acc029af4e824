"""Wrong input is refused with the field, the problem and its remedy."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from meetingtasks.errors import InvalidPayload, PayloadTooLarge
from meetingtasks.payloads.common import validate
from meetingtasks.task_types import CATALOGUE

NEST: Any = {}
for _ in range(900):
    NEST = {"a": NEST}
CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE

A = {"audio_url": "file:///a.wav"}
S = {"source_url": "file:///a.mp4"}
REFERENCE = "must be a reference: file:///path, s3://bucket/key or https://host/path"
BASE64 = "must be base64 (standard or URL-safe alphabet, no line breaks)"
MOMENT = "must be a time such as 2026-02-21T09:00:00+08:00"

# type, payload, JSON pointer of the refused field, problem
ROWS: list[tuple[str, Any, str, str]] = [
    # not an object
    ("hotspot_monitor", None, "/payload", "must be a JSON object"),
    ("hotspot_monitor", [], "/payload", "must be a JSON object"),
    ("hotspot_monitor", "x", "/payload", "must be a JSON object"),
    ("hotspot_monitor", 5, "/payload", "must be a JSON object"),
    # numbers
    ("audio_denoising", {**A, "noise_floor_db": float("nan")}, "/payload/noise_floor_db", "must be a finite number"),
    ("audio_denoising", {**A, "noise_floor_db": float("inf")}, "/payload/noise_floor_db", "must be a finite number"),
    ("audio_denoising", {**A, "noise_floor_db": True}, "/payload/noise_floor_db", "must be a number"),
    ("audio_denoising", {**A, "noise_reduction_db": 97.5}, "/payload/noise_reduction_db", "must be at most 97"),
    ("audio_denoising", {**A, "noise_reduction_db": 0}, "/payload/noise_reduction_db", "must be at least 0.01"),
    ("transcode", {**S, "bitrate": "5"}, "/payload/bitrate", "must be a whole number"),
    ("transcode", {**S, "bitrate": True}, "/payload/bitrate", "must be a whole number"),
    ("transcode", {**S, "bitrate": 5.0}, "/payload/bitrate", "must be a whole number"),
    ("transcode", {**S, "bitrate": 10**400}, "/payload/bitrate", "number too large"),
    ("transcode", {**S, "bitrate": 10**4999}, "/payload/bitrate", "number too large"),
    ("transcode", {**S, "bitrate": 10}, "/payload/bitrate", "must be at least 8000"),
    ("speech_recognition", {**A, "sample_rate": 7999}, "/payload/sample_rate", "must be at least 8000"),
    ("speech_recognition", {**A, "is_final": 1}, "/payload/is_final", "must be true or false"),
    ("custom_task_type_1", {"a": [1, 10**400]}, "/payload/a/1", "number too large"),
    ("custom_task_type_1", {"a": [float("-inf")]}, "/payload/a/0", "must be a finite number"),
    # characters
    ("content_generation", {"topic": "\ud800"}, "/payload/topic", "invalid unicode in topic"),
    ("content_generation", {"\ud800": 1}, r"/payload/\ud800", r"invalid unicode in \ud800"),
    ("content_generation", {"topic": "a\x00b"}, "/payload/topic", "control characters not allowed"),
    ("user_login", {"username": "a\nb", "user_id": "1"}, "/payload/username", "control characters not allowed"),
    ("user_login", {"username": "a\x85b", "user_id": "1"}, "/payload/username", "control characters not allowed"),
    ("user_login", {"username": " a", "user_id": "1"}, "/payload/username", "must not begin or end with a space"),
    ("user_login", {"username": "", "user_id": "1"}, "/payload/username", "must not be empty"),
    (
        "user_login",
        {"username": "e\u0301" * 10_000, "user_id": "1"},
        "/payload/username",
        "must have at most 200 bytes",
    ),
    ("user_login", {"username": "a", "user_id": True}, "/payload/user_id", "must be a string"),
    ("user_login", {"username": "a", "user_id": -1}, "/payload/user_id", "must be a string"),
    # shape and keys
    ("custom_task_type_1", NEST, "/payload", "nested deeper than 32"),
    ("custom_task_type_1", CYCLE, "/payload", "nested deeper than 32"),
    ("content_generation", {"topic": "a", "inputs": NEST}, "/payload", "nested deeper than 32"),
    ("custom_task_type_1", {"a": {"__type__": 1}}, "/payload/a", "key __type__ not allowed"),
    ("custom_task_type_1", {"__class__": 1}, "/payload", "key __class__ not allowed"),
    ("custom_task_type_1", {"__proto__": 1}, "/payload", "key __proto__ not allowed"),
    ("custom_task_type_1", {"a": [{"$ref": "x"}]}, "/payload/a/0", "key $ref not allowed"),
    ("custom_task_type_1", {"": 1}, "/payload", "empty key not allowed"),
    ("custom_task_type_1", {"a\x00": 1}, r"/payload/a\x00", "control characters not allowed"),
    ("custom_task_type_1", {1: 1}, "/payload", "must have strings as keys"),
    ("custom_task_type_1", {"é": 1, "e\u0301": 2}, "/payload", "duplicate key é"),
    ("custom_task_type_1", {str(i): 1 for i in range(10_000)}, "/payload", "must have at most 1000 keys"),
    ("custom_task_type_1", {"a": b"bytes"}, "/payload", "must be a JSON value, not bytes (at a)"),
    # fields
    ("transcode", {**S, "is_admin": True}, "/payload/is_admin", "unknown field is_admin"),
    ("transcode", {**S, "fromat": "mp4"}, "/payload/fromat", "unknown field fromat; did you mean format?"),
    ("transcode", {**S, "a/b~": 1}, "/payload/a~1b~0", "unknown field a/b~"),
    ("transcode", {**S, "x" * 100: 1}, "/payload/" + "x" * 79 + "…", "unknown field " + "x" * 79 + "…"),
    (
        "transcode",
        {**S, "format": "mp4", "target_format": "mkv"},
        "/payload/target_format",
        "unknown field target_format: it is another name of format, which is given too",
    ),
    ("user_login", {"user_id": "1"}, "/payload/username", "is required"),
    ("user_login", {"username": "a", "user_id": "1", "password": "x"}, "/payload/password", "unknown field password"),
    (
        "user_profile_update",
        {"user_id": "1", "updates": {"new_Password": "x"}},
        "/payload/updates",
        "must not carry passwords, tokens or other secrets",
    ),
    ("user_profile_update", {"user_id": "1", "updates": {}}, "/payload/updates", "must name at least one change"),
    (
        "user_register",
        {"username": "a", "email": "a@b"},
        "/payload/email",
        "must be an e-mail address such as name@example.org",
    ),
    ("recording", {"action": "pause"}, "/payload/action", "must be one of start, stop"),
    ("notification", {"recipients": []}, "/payload/recipients", "must not be empty"),
    ("notification", {"recipients": "all"}, "/payload/recipients", "must be a list"),
    ("notification", {"recipients": ["a"], "data": [1]}, "/payload/data", "must be an object"),
    ("emotion_detection", {"texts": [{"id": "1"}]}, "/payload/texts/0/text", "is required"),
    ("emotion_detection", {"texts": ["a"]}, "/payload/texts/0", "must be an object"),
    (
        "emotion_detection",
        {"texts": [{"id": "1", "text": ""}] * 201},
        "/payload/texts",
        "must have at most 200 items",
    ),
    ("text_to_speech", {"text": "a" * 5001}, "/payload/text", "must have at most 5000 characters"),
    ("text_to_speech", {"text": ""}, "/payload/text", "must not be empty"),
    ("hotspot_monitor", {"limits": {" a": 1}}, "/payload/limits/ a", "must not begin or end with a space"),
    (
        "video_enhancement",
        {"video_url": "file:///a", "operations": ["scale"], "target_width": 33},
        "/payload/target_width",
        "must be a multiple of 2",
    ),
    ("signaling", {"action": "send", "content": "é" * 4097}, "/payload/content", "must have at most 8192 bytes"),
    # agreement of fields
    ("speech_recognition", {}, "/payload", "give exactly one of audio_url or audio_data"),
    ("speech_recognition", {**A, "audio_data": "AAAA"}, "/payload", "give exactly one of audio_url or audio_data"),
    (
        "speech_recognition",
        {**A, "chunk_index": 3, "chunk_count": 3},
        "/payload",
        "chunk_index must be less than chunk_count",
    ),
    ("transcode", {}, "/payload", "give exactly one of source_url or file_id"),
    ("content_generation", {}, "/payload", "give exactly one of topic or template"),
    (
        "emotion_detection",
        {"image_data": "AAAA", "image_format": "rgb24", "width": 2},
        "/payload",
        "rgb24 needs width and height",
    ),
    (
        "video_enhancement",
        {"video_url": "file:///a", "operations": ["scale"]},
        "/payload",
        "the operation scale needs target_width or target_height",
    ),
    (
        "meeting_minutes",
        {"segments": [{"start_ms": 5, "end_ms": 1, "text": "a"}]},
        "/payload/segments/0",
        "end_ms must not be before start_ms",
    ),
    (
        "process_recording",
        {"audio_files": ["a", "b"], "file_order": [1, 2]},
        "/payload",
        "file_order must name each of the 2 files once, counted from 0",
    ),
    (
        "process_recording",
        {"audio_files": ["a", "b"], "original_filenames": ["a"]},
        "/payload",
        "original_filenames must have one name for each of the 2 files",
    ),
    (
        "split_audio",
        {**S, "min_ms": 40_000},
        "/payload",
        "min_ms must be at most target_ms, and target_ms at most max_ms",
    ),
    ("split_audio", {**S, "min_ms": 500}, "/payload", "overlap_ms must be less than min_ms"),
    ("meeting_control", {"action": "kick_user"}, "/payload", "the action kick_user needs target_user_id"),
    ("signaling", {"action": "send"}, "/payload", "the action send needs content"),
    (
        "webrtc_negotiation",
        {"kind": "offer", "session_id": "s", "candidate": {"candidate": ""}},
        "/payload",
        "the kind offer needs sdp and no candidate",
    ),
    ("client_push", {"message": {}}, "/payload", "give at least one of session_ids, user_ids or meeting_id"),
    # references and inline data
    ("media_probe", {"source_url": "meeting.wav"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "http://media.example.org/a"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "file://host/a"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "file:///"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "s3://B/a"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "concat:a|b"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "javascript:alert(1)"}, "/payload/source_url", REFERENCE),
    ("media_probe", {"source_url": "https://"}, "/payload/source_url", "must name a host: https://host/path"),
    ("media_probe", {"source_url": "https://h:99999/a"}, "/payload/source_url", "must be a well-formed address"),
    ("media_probe", {"source_url": "https://[::1/a"}, "/payload/source_url", "must be a well-formed address"),
    (
        "media_probe",
        {"source_url": "https://u:secret@h/a"},
        "/payload/source_url",
        "must not carry a user name or password",
    ),
    (
        "media_probe",
        {"source_url": "file:///a/%2e%2e/b"},
        "/payload/source_url",
        "must not contain .. as a part of its path",
    ),
    ("media_probe", {"source_url": "file:///a%00"}, "/payload/source_url", "control characters not allowed"),
    (
        "process_recording",
        {"audio_files": ["../a.wav"]},
        "/payload/audio_files/0",
        "must not contain .. as a part of its path",
    ),
    ("upload", {**S, "bucket": "meetings", "key": "/a"}, "/payload/key", "must not begin with /"),
    (
        "upload",
        {**S, "bucket": "meetings", "key": "a", "sha256": "0" * 63},
        "/payload/sha256",
        "must be a SHA-256 of 64 hexadecimal digits",
    ),
    (
        "webhook_delivery",
        {"url": "file:///a", "event": "e"},
        "/payload/url",
        "must be a web address: https://host/path",
    ),
    ("speech_recognition", {"audio_data": "base64..."}, "/payload/audio_data", BASE64),
    ("speech_recognition", {"audio_data": "AAAAA"}, "/payload/audio_data", BASE64),
    ("speech_recognition", {"audio_data": "AA=A"}, "/payload/audio_data", BASE64),
    ("speech_recognition", {"audio_data": "+A-A"}, "/payload/audio_data", BASE64),
    (
        "transcode",
        {**S, "resolution": "7x3"},
        "/payload/resolution",
        "must be WIDTHxHEIGHT in even pixels from 16 to 7680, such as 1280x720",
    ),
    # languages, days and times
    (
        "speech_recognition",
        {**A, "language": "english please"},
        "/payload/language",
        "must be auto or language tags such as en, zh-CN or zh-CN+en-US",
    ),
    ("report_generation", {"report_type": "daily", "period_start": "2026-02-30"}, "/payload/period_start", MOMENT),
    ("report_generation", {"report_type": "daily", "period_start": 0}, "/payload/period_start", MOMENT),
    (
        "report_generation",
        {"report_type": "daily", "period_start": "2026-02-03T00:00:00"},
        "/payload/period_start",
        "must carry an offset from UTC, such as Z or +08:00",
    ),
    (
        "report_generation",
        {"report_type": "daily", "period_start": "2026-02-04T00:00:00Z", "period_end": "2026-02-03T00:00:00Z"},
        "/payload",
        "period_start must be before period_end",
    ),
    (
        "report_generation",
        {"report_type": "daily", "period_start": "0001-01-01T00:00:00+14:00"},
        "/payload/period_start",
        "must be between the years 1970 and 2200",
    ),
    (
        "report_generation",
        {"report_type": "daily", "timezone": "../../etc/localtime"},
        "/payload/timezone",
        "must be a known time zone such as Asia/Shanghai",
    ),
    (
        "process_recording",
        {"audio_files": ["a"], "meeting_date": "2026-02-30"},
        "/payload/meeting_date",
        "must be a date such as 2026-02-21",
    ),
    (
        "process_recording",
        {"audio_files": ["a"], "meeting_time": "24:00:60"},
        "/payload/meeting_time",
        "must be a time of day such as 09:30",
    ),
]


@pytest.mark.parametrize(("name", "data", "field", "problem"), ROWS, ids=[f"{r[0]}-{r[3][:40]}" for r in ROWS])
def test_wrong_input_names_its_field_and_problem(name: str, data: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        validate(CATALOGUE.get(name).payload, data)
    assert caught.value.details["fields"] == [{"field": field, "problem": problem}]
    json.dumps(caught.value.body()).encode()  # ready for any face


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("transcode", {**S, "bitrate": "5"}, "bitrate must be a whole number"),
        ("content_generation", {"topic": "a\x00"}, "topic: control characters not allowed"),
        ("content_generation", {"topic": "\ud800"}, "invalid unicode in topic"),
        ("custom_task_type_1", NEST, "payload nested deeper than 32"),
        ("transcode", {**S, "is_admin": True}, "unknown field is_admin"),
        ("user_login", {}, "username is required; user_id is required"),
        ("emotion_detection", {"texts": [{"id": "1"}]}, "texts[0].text is required"),
        ("speech_recognition", {}, "give exactly one of audio_url or audio_data"),
        ("transcode", {**S, "a1": 1, "a2": 1, "a3": 1, "a4": 1, "a5": 1},
         "unknown field a1; unknown field a2; unknown field a3; and 2 more"),
    ],
)  # fmt: skip
def test_the_message_is_a_sentence(name: str, data: Any, message: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        validate(CATALOGUE.get(name).payload, data)
    assert caught.value.message == message


REMEDY = "send a reference (file://, s3:// or https://) instead"
TOO_LARGE: list[tuple[str, dict[str, Any], str]] = [
    (
        "speech_recognition",
        {"audio_data": "A" * 349_527},
        f"audio_data is 262145 bytes decoded, above the limit of 262144 (256 KiB); {REMEDY}",
    ),
    (
        "speech_recognition",
        {"audio_data": "A" * 2_000_000},
        "audio_data is above 512 KiB; send a reference to a file instead",
    ),
    (
        "custom_task_type_1",
        {"a": "x" * 262_100, "b": "x" * 99},
        "payload is above 256 KiB; send a reference to a file instead",
    ),
    ("custom_task_type_1", {"a": [0] * 40_000}, "payload is above 256 KiB; send a reference to a file instead"),
    ("content_generation", {"topic": "x" * 524_289}, "topic is above 512 KiB; send a reference to a file instead"),
]


@pytest.mark.parametrize(("name", "data", "message"), TOO_LARGE, ids=[row[0] for row in TOO_LARGE])
def test_b_44_too_much_inline_data_asks_for_a_reference(name: str, data: dict[str, Any], message: str) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        validate(CATALOGUE.get(name).payload, data)
    assert caught.value.message == message
    assert caught.value.code == "payload_too_large"


def test_inline_data_of_exactly_the_limit_is_accepted() -> None:
    validate(CATALOGUE.get("speech_recognition").payload, {"audio_data": "A" * 349_526 + "=="})


def test_lists_that_share_their_items_end_at_the_size_limit() -> None:
    shared: list[Any] = []
    for _ in range(30):
        shared = [shared, shared]  # a billion values in thirty lists
    with pytest.raises(PayloadTooLarge):
        validate(CATALOGUE.get("custom_task_type_1").payload, {"a": shared})


def test_refused_values_are_not_repeated() -> None:
    data = {"source_url": "https://user:canary@h/a", "bitrate": "canary", "format": "canary", "quality": ["canary"]}
    with pytest.raises(InvalidPayload) as caught:
        validate(CATALOGUE.get("transcode").payload, data)
    assert len(caught.value.details["fields"]) == 4
    assert "canary" not in json.dumps(caught.value.body())
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("audio_denoising", {**A, "noise_floor_db": float("nan")}),
        ("content_generation", {"topic": "\ud800"}),
        ("content_generation", {"topic": "a", "inputs": NEST}),
        ("transcode", {**S, "frame_rate": True}),
    ],
)
def test_a_constructor_refuses_what_the_border_refuses(name: str, data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CATALOGUE.get(name).payload(**data)


def test_no_more_than_twenty_problems_are_listed() -> None:
    with pytest.raises(InvalidPayload) as caught:
        validate(CATALOGUE.get("transcode").payload, {**S, **{f"field{i}": 1 for i in range(500)}})
    assert len(caught.value.details["fields"]) == 20
    assert caught.value.message.endswith("and 497 more")
