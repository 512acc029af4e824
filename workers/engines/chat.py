"""An OpenAI-style chat endpoint (``POST /v1/chat/completions``), asked for one JSON or plain answer at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workers.engines.errors import EngineError
from workers.engines.http import post


class ChatAnswerInvalid(EngineError):
    """The endpoint answered, but not with what was asked for."""

    code = "chat_answer_invalid"


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """Where a language model answers."""

    url: str
    """Base address, without ``/v1`` (MT_CHAT_URL)."""
    key: str = ""
    """Bearer key; empty sends none (MT_CHAT_KEY)."""
    model: str = "default"
    """Model name that the endpoint is asked for (MT_CHAT_MODEL)."""
    timeout_s: float = 120.0
    """Longest wait for a part of the answer, in seconds."""


def complete(config: ChatConfig, *, system: str, user: str, as_json: bool = False) -> str:
    """Return the model's answer to one question.

    Raises what ``workers.engines.http.post`` raises, and ``ChatAnswerInvalid`` for an answer without text.
    """
    request: dict[str, Any] = {
        "model": config.model,
        "temperature": 0,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
    }
    if as_json:
        request["response_format"] = {"type": "json_object"}
    url = config.url.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
    answer = post(url, key=config.key, timeout_s=config.timeout_s, json=request)
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ChatAnswerInvalid(f"{url} answered without a message") from error
    if not isinstance(content, str) or not content.strip():
        raise ChatAnswerInvalid(f"{url} answered with an empty message")
    return content
