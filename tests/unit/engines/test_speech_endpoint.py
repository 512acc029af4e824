"""The HTTP speech engine against a real server: what it sends, what it reads, and how a failure is told."""

from __future__ import annotations

import io
import json
import threading
import wave
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.support.endpoint import Asked, Endpoint, endpoint
from workers.engines.errors import Cancelled, EngineError, InvalidInput, NotConfigured
from workers.engines.http import EndpointFailed
from workers.engines.speech import SpeechConfig, SpeechEngine, choose

MEETING = Path(__file__).parents[3] / "samples" / "meeting.flac"
ANSWER = {
    "text": "The conference is now being recorded.",
    "language": "en",
    "segments": [
        {"start": 0.5, "end": 2.5, "text": " The conference is now being recorded.", "avg_logprob": -0.105},
    ],
    "words": [{"word": "The", "start": 0.5, "end": 0.7}, {"word": "conference", "start": 0.7, "end": 1.2}],
}


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as running:
        running.answer = ANSWER
        yield running


def engine(server: Endpoint, *, key: str = "k-1", timeout_s: float = 10) -> SpeechEngine:
    return choose(config=SpeechConfig(http_url=server.url, http_key=key, http_model="m-1", http_timeout_s=timeout_s))


def form(asked: Asked) -> dict[str, list[bytes]]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts: dict[str, list[bytes]] = {}
    for part in message_from_bytes(head + asked.body).get_payload():
        assert isinstance(part, Message)
        name = str(part.get_param("name", header="content-disposition"))
        parts.setdefault(name, []).append(bytes(part.get_payload(decode=True)))
    return parts


def test_the_request_is_what_an_openai_style_server_expects(server: Endpoint) -> None:
    engine(server).transcribe(MEETING, end_ms=3_000, language="en-US", hotwords=["Kubernetes", "Redis"])
    (asked,) = server.asked
    sent = form(asked)
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["authorization"] == "Bearer k-1"
    assert sent["model"] == [b"m-1"]
    assert sent["response_format"] == [b"verbose_json"]
    assert sent["language"] == [b"en"]
    assert sent["prompt"] == [b"Kubernetes, Redis"]
    with wave.open(io.BytesIO(sent["file"][0])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (16_000, 1, 48_000)


def test_several_languages_are_left_to_the_servers_detection(server: Endpoint) -> None:
    engine(server, key="").transcribe(MEETING, end_ms=500, language="zh-CN+en-US")
    assert "language" not in form(server.asked[0])
    assert "authorization" not in server.asked[0].headers


def test_the_answer_becomes_a_transcript_with_times_of_the_file(server: Endpoint) -> None:
    found = engine(server).transcribe(MEETING, start_ms=1_000, end_ms=4_000, word_timestamps=True)
    (segment,) = found.segments
    assert (segment.start_ms, segment.end_ms) == (1_500, 3_500)
    assert segment.text == found.text == "The conference is now being recorded."
    assert segment.confidence == pytest.approx(0.9, abs=0.01)
    assert [word.start_ms for word in segment.words or ()] == [1_500, 1_700]
    assert (found.engine, found.model, found.audio_ms) == ("http", "m-1", 3_000)


def test_an_answer_with_text_alone_is_one_segment_that_claims_no_confidence(server: Endpoint) -> None:
    server.answer = {"text": "hello there"}
    found = engine(server).transcribe(MEETING, end_ms=2_000)
    assert [(one.start_ms, one.end_ms, one.confidence) for one in found.segments] == [(0, 2_000, 0.0)]


def test_an_empty_answer_is_no_speech(server: Endpoint) -> None:
    server.answer = {"text": "", "segments": []}
    assert engine(server).transcribe(MEETING, end_ms=500).no_speech


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, NotConfigured, "engine_not_configured"),
        (400, InvalidInput, "endpoint_refused"),
        (413, InvalidInput, "endpoint_refused"),
        (429, EndpointFailed, "endpoint_failed"),
        (503, EndpointFailed, "endpoint_failed"),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(server: Endpoint, status: int, error: type[EngineError], code: str) -> None:
    server.status, server.headers = status, {"Retry-After": "7"}
    with pytest.raises(error, match=str(status)) as caught:
        engine(server).transcribe(MEETING, end_ms=500)
    assert caught.value.code == code
    assert caught.value.details["status"] == status
    if error is EndpointFailed:
        assert caught.value.details["retry_after"] == "7"


@pytest.mark.parametrize("answer", [b"<html>busy</html>", {"segments": []}, {"text": "x", "segments": [{"end": 1}]}])
def test_an_answer_that_cannot_be_read_is_an_error_and_never_silence(server: Endpoint, answer: object) -> None:
    server.answer = answer
    with pytest.raises(EngineError):
        engine(server).transcribe(MEETING, end_ms=500)


def test_an_answer_without_end_is_cut_off(server: Endpoint) -> None:
    server.answer = json.dumps({"text": "x" * 9_000_000}).encode()
    with pytest.raises(EndpointFailed, match="more than"):
        engine(server).transcribe(MEETING, end_ms=500)


def test_a_server_that_does_not_answer_times_out(server: Endpoint) -> None:
    server.hold = threading.Event()
    with pytest.raises(EndpointFailed) as caught:
        engine(server, timeout_s=0.2).transcribe(MEETING, end_ms=500)
    assert caught.value.code == "endpoint_timeout"


def test_a_server_that_is_not_there_is_named() -> None:
    with endpoint() as gone:
        url = gone.url
    with pytest.raises(EndpointFailed, match=url) as caught:
        choose(config=SpeechConfig(http_url=url)).transcribe(MEETING, end_ms=500)
    assert caught.value.code == "endpoint_unreachable"


def test_a_cancelled_call_sends_nothing(server: Endpoint) -> None:
    with pytest.raises(Cancelled):
        engine(server).transcribe(MEETING, end_ms=500, cancelled=lambda: True)
    assert server.asked == []


def test_an_answer_that_comes_after_cancelling_is_not_used(server: Endpoint) -> None:
    with pytest.raises(Cancelled):
        engine(server).transcribe(MEETING, end_ms=500, cancelled=lambda: bool(server.asked))
    assert len(server.asked) == 1
