"""Two tasks have one content key exactly when their whole content is the same."""

import base64
import hashlib

from meetingtasks.payloads.ai import EmotionDetectionPayload, SpeechRecognitionPayload
from meetingtasks.payloads.common import content_key, validate


def speech(data: bytes, **options: str) -> SpeechRecognitionPayload:
    return validate(SpeechRecognitionPayload, {"audio_data": base64.b64encode(data).decode(), **options})


def test_b_45_recordings_with_one_header_have_keys_of_their_own() -> None:
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00"
    assert len(header) == 32
    first, second = speech(header + bytes(2000) + b"a"), speech(header + bytes(2000) + b"b")
    assert content_key("speech_recognition", first) != content_key("speech_recognition", second)


def test_the_key_is_a_sha256_that_stays() -> None:
    payload = validate(SpeechRecognitionPayload, {"audio_url": "file:///a.wav"})
    assert content_key("speech_recognition", payload) == content_key("speech_recognition", payload.model_dump())
    assert content_key("t", {"b": 1, "a": "é"}) == hashlib.sha256(rb'["t",{"a":"\u00e9","b":1}]').hexdigest()


def test_options_and_type_belong_to_the_content() -> None:
    sound = bytes(100)
    keys = {
        content_key("speech_recognition", speech(sound)),
        content_key("speech_recognition", speech(sound, language="en")),
        content_key("speech_recognition", speech(sound, engine="whisper")),
        content_key("synthesis_detection", speech(sound)),
        content_key("emotion_detection", EmotionDetectionPayload(text="a")),
    }
    assert len(keys) == 5


def test_neither_order_nor_a_default_written_out_matters() -> None:
    short = validate(SpeechRecognitionPayload, {"audio_url": "file:///a.wav", "language": "auto"})
    long = validate(SpeechRecognitionPayload, {"language": "auto", "is_final": True, "audio_url": "file:///a.wav"})
    assert content_key("speech_recognition", short) == content_key("speech_recognition", long)
