"""Writes texts: a template filled in, an outline that claims no facts, or the words of a configured language model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workers.engines.chat import ChatConfig, complete
from workers.engines.errors import InvalidInput

OUTLINE_NOTE: Final = "No language model is configured: this is an outline to be written out, it claims no facts."
MODEL_NOTE: Final = "Written by a language model: check its facts."
MAX_LENGTH: Final = 20_000
_NAME: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
_PARTS: Final = {
    "en": (
        "{topic}",
        "1. Introduction: what {topic} is about, and for whom it matters.",
        "2. Where things stand: facts and figures about {topic} to be collected, each with its source.",
        "3. Questions: what is open, what is disputed, what has changed lately.",
        "4. Views: at least two positions on {topic}, with their grounds.",
        "5. Conclusion: what follows, and what the reader can do next.",
        "Style: {style}",
    ),
    "zh": (
        "{topic}",
        "一、引言: {topic}是什么, 与谁有关。",
        "二、现状: 收集有关{topic}的事实与数据, 并逐条注明来源。",
        "三、问题: 尚未解决的、有争议的、最近有变化的。",
        "四、观点: 关于{topic}的至少两种立场及其理由。",
        "五、结论: 由此得出什么, 读者下一步可以做什么。",
        "风格: {style}",
    ),
}


@dataclass(frozen=True)
class Content:
    """A text, what made it, and what its reader must know."""

    content: str
    engine: str
    note: str = ""


def generate(
    topic: str | None,
    style: str = "",
    length: int = 1000,
    *,
    template: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    language: str = "auto",
    chat: ChatConfig | None = None,
) -> Content:
    """Fill ``template`` with ``inputs``, or write about ``topic``; at most ``length`` characters.

    A template is always filled as it stands. A topic is written about by the model of ``chat``; without one it becomes
    an outline. Raises InvalidInput for what a template asks for and does not get, and what
    ``workers.engines.chat.complete`` raises: a failing model is an error, no outline takes its place.
    """
    if not 1 <= length <= MAX_LENGTH:
        raise InvalidInput(f"length must be 1 to {MAX_LENGTH} characters, not {length}", code="options_invalid")
    if template is not None:
        return Content(_cut(_filled(template, inputs or {}), length), "template")
    if not topic or not topic.strip():
        raise InvalidInput("there is neither a topic nor a template", code="options_invalid")
    chinese = language.lower().startswith("zh") or (language == "auto" and _CHINESE.search(topic) is not None)
    if chat is not None:
        text = _asked(chat, topic, style, length, "Chinese" if chinese else language)
        return Content(_cut(text, length), f"chat:{chat.model}", MODEL_NOTE)
    parts = [part for part in _PARTS["zh" if chinese else "en"] if style or "{style}" not in part]
    text = "\n\n".join(_filled(part, {"style": style, "topic": topic}) for part in parts)
    return Content(_cut(text, length), "outline", OUTLINE_NOTE)


def _asked(chat: ChatConfig, topic: str, style: str, length: int, language: str) -> str:
    system = (
        "Write the text that is asked for and nothing else. State no figures, quotations or sources that you are not "
        f"certain of. At most {length} characters."
    )
    wishes = {"Topic": topic, "Style": style, "Language": "" if language == "auto" else language}
    return complete(chat, system=system, user="\n".join(f"{name}: {wish}" for name, wish in wishes.items() if wish))


def _cut(text: str, length: int) -> str:
    """Shorten a text to ``length`` characters, at the end of a line or word where that loses little."""
    if len(text) <= length:
        return text
    cut = text[:length]
    at = max(cut.rfind("\n"), cut.rfind(" "))
    return cut[:at].rstrip() if at > length * 3 // 4 else cut


def _filled(template: str, inputs: Mapping[str, Any]) -> str:
    missing = sorted({name for name in _NAME.findall(template) if name not in inputs})
    if missing:
        raise InvalidInput(f"the template asks for {', '.join(missing)}, which inputs lack", code="options_invalid")
    return _NAME.sub(lambda found: str(inputs[found[1]]), template)
