"""Texts from a template, an outline or a language model: in length, labelled, and without made-up facts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.endpoint import Endpoint, endpoint
from workers.engines.chat import ChatAnswerInvalid, ChatConfig
from workers.engines.content import generate
from workers.engines.errors import InvalidInput
from workers.engines.http import EndpointFailed


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as running:
        running.answer = {"choices": [{"message": {"content": "Queues keep work in order. " * 30}}]}
        yield running


def test_a_template_is_filled_and_nothing_else() -> None:
    made = generate(None, template="Dear {name}, we meet on {day}.", inputs={"name": "Ada", "day": "Monday"})
    assert (made.content, made.engine) == ("Dear Ada, we meet on Monday.", "template")


def test_what_a_template_asks_for_and_does_not_get_is_named() -> None:
    with pytest.raises(InvalidInput, match="day"):
        generate(None, template="{name} {day}", inputs={"name": "Ada"})


def test_inputs_are_text_and_are_not_filled_again() -> None:
    assert generate(None, template="{a} {b}", inputs={"a": "{b}", "b": 2}).content == "{b} 2"


def test_without_a_model_a_topic_becomes_an_outline_that_says_so() -> None:
    made = generate("message queues", "plain", 2_000)
    assert made.engine == "outline"
    assert "No language model is configured" in made.note
    assert made.content.count("message queues") >= 3
    assert "Style: plain" in made.content


def test_an_outline_states_no_figures_of_its_own() -> None:
    lines = generate("message queues", length=2_000).content.splitlines()
    assert not any(sign.isdigit() for line in lines for sign in line[2:])


def test_a_topic_with_braces_stays_as_it_is() -> None:
    assert generate("the {style} tag", "dry", 2_000).content.startswith("the {style} tag")


def test_a_chinese_topic_gets_a_chinese_outline() -> None:
    assert "引言" in generate("消息队列", length=2_000).content
    assert "引言" in generate("queues", length=2_000, language="zh-CN").content


@pytest.mark.parametrize("length", [1, 17, 80, 300, 20_000])
def test_the_length_is_kept(length: int, server: Endpoint) -> None:
    assert len(generate("message queues", "plain", length).content) <= length
    assert len(generate("q", length=length, chat=ChatConfig(server.url)).content) <= length
    assert len(generate(None, length=length, template="word " * 9_000).content) <= length


@pytest.mark.parametrize("length", [0, -5, 20_001])
def test_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidInput, match="20000"):
        generate("queues", length=length)


@pytest.mark.parametrize("topic", [None, "", "  "])
def test_nothing_to_write_about_is_refused(topic: str | None) -> None:
    with pytest.raises(InvalidInput, match="topic"):
        generate(topic)


def test_a_configured_model_writes_and_is_named(server: Endpoint) -> None:
    made = generate("queues", "dry", 500, language="en", chat=ChatConfig(server.url, model="m-3"))
    assert made.engine == "chat:m-3"
    assert made.content.startswith("Queues keep work in order.")
    sent = json.loads(server.asked[0].body)
    assert "500 characters" in sent["messages"][0]["content"]
    assert sent["messages"][1]["content"] == "Topic: queues\nStyle: dry\nLanguage: en"


def test_a_failing_model_is_an_error_and_no_outline(server: Endpoint) -> None:
    server.status = 500
    with pytest.raises(EndpointFailed):
        generate("queues", chat=ChatConfig(server.url))
    server.status, server.answer = 200, {"choices": []}
    with pytest.raises(ChatAnswerInvalid):
        generate("queues", chat=ChatConfig(server.url))
