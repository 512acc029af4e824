"""Minutes worded by a language model, against a real server: believed only as far as they can be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.endpoint import Endpoint, endpoint
from tests.support.meetings import ENGLISH, segments_of
from workers.engines.chat import ChatAnswerInvalid, ChatConfig
from workers.engines.errors import InvalidInput
from workers.engines.http import EndpointFailed
from workers.engines.minutes import make_minutes, minutes_markdown
from workers.engines.minutes.written import MAX_TRANSCRIPT

WRITTEN: dict[str, Any] = {
    "title": "Release sync",
    "summary": "The release date stays.",
    "key_points": ["Timeouts in the payment service"],
    "decisions": [{"text": "The release date stays at 20 March.", "segment_ids": ["s0012"]}],
    "action_items": [
        {"text": "Check the connection pool", "owner": "Priya", "due": "2026-03-06", "segment_ids": ["s0007"]}
    ],
}


def answer(content: object) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as running:
        running.answer = answer(WRITTEN)
        yield running


def chat(server: Endpoint) -> ChatConfig:
    return ChatConfig(url=server.url, key="k-2", model="m-2", timeout_s=10)


def test_the_models_minutes_keep_their_ids_and_say_who_worded_them(server: Endpoint) -> None:
    minutes = make_minutes(segments_of(ENGLISH), chat=chat(server), coverage=0.97)
    assert minutes.engine == "chat:m-2"
    assert minutes.decisions[0].segment_ids == ("s0012",)
    assert minutes.action_items[0].owner == minutes.responsible_person == "Priya"
    assert (minutes.title, minutes.coverage) == ("Release sync", 0.97)
    assert "Worded by a language model" in minutes_markdown(minutes)


def test_the_model_gets_the_transcript_with_ids_and_the_readers_wishes(server: Endpoint) -> None:
    make_minutes(segments_of(ENGLISH), chat=chat(server), custom_instructions="in verse", meeting_date="2026-03-04")
    (asked,) = server.asked
    sent = json.loads(asked.body)
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer k-2"
    assert sent["model"] == "m-2"
    assert sent["response_format"] == {"type": "json_object"}
    user = sent["messages"][1]["content"]
    assert "[s0007] Priya: I'll look into the connection pool" in user
    assert "in verse" in user
    assert "2026-03-04" in user


@pytest.mark.parametrize(
    "broken",
    [
        "Here are your minutes!",
        {**WRITTEN, "decisions": [{"text": "We bought a castle.", "segment_ids": ["s9999"]}]},
        {**WRITTEN, "decisions": [{"text": "We bought a castle.", "segment_ids": []}]},
        {**WRITTEN, "action_items": [{"text": "Buy a castle.", "owner": "Tom", "due": None}]},
        {**WRITTEN, "summary": 7},
        {"summary": "ok"},
        "",
    ],
    ids=["no-json", "unknown-id", "no-id", "uncited", "wrong-type", "incomplete", "empty"],
)
def test_an_answer_that_cannot_be_checked_is_an_error_and_no_silent_fallback(server: Endpoint, broken: object) -> None:
    server.answer = answer(broken)
    with pytest.raises(ChatAnswerInvalid):
        make_minutes(segments_of(ENGLISH), chat=chat(server))


def test_a_failing_model_is_an_error(server: Endpoint) -> None:
    server.status = 503
    with pytest.raises(EndpointFailed):
        make_minutes(segments_of(ENGLISH), chat=chat(server))


def test_nothing_said_is_not_sent_anywhere(server: Endpoint) -> None:
    assert make_minutes([], chat=chat(server)).summary == ""
    assert server.asked == []


def test_a_transcript_beyond_the_models_context_is_refused_before_it_is_sent(server: Endpoint) -> None:
    long = [{"id": f"s{i}", "text": "word " * 199} for i in range(MAX_TRANSCRIPT // 900)]
    with pytest.raises(InvalidInput, match=str(MAX_TRANSCRIPT)):
        make_minutes(long, chat=chat(server))
    assert server.asked == []
