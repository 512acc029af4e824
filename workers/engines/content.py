"""Writes a text without a language model: a template filled in, or an outline that claims no facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workers.engines.errors import InvalidInput

OUTLINE_NOTE: Final = "No language model is configured: this is an outline to be written out, it claims no facts."
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
) -> Content:
    """Fill ``template`` with ``inputs``, or outline ``topic``; at most ``length`` characters.

    InvalidInput names what the template asks for and does not get.
    """
    if template is not None:
        return Content(_filled(template, inputs or {})[:length], "template")
    if not topic:
        raise InvalidInput("there is neither a topic nor a template", code="options_invalid")
    spoken = "zh" if language.lower().startswith("zh") or (language == "auto" and _CHINESE.search(topic)) else "en"
    parts = [part for part in _PARTS[spoken] if style or "{style}" not in part]
    text = "\n\n".join(part.replace("{style}", style).replace("{topic}", topic) for part in parts)
    return Content(text[:length], "outline", OUTLINE_NOTE)


def _filled(template: str, inputs: Mapping[str, Any]) -> str:
    missing = sorted({name for name in _NAME.findall(template) if name not in inputs})
    if missing:
        raise InvalidInput(f"the template asks for {', '.join(missing)}, which inputs lack", code="options_invalid")
    return _NAME.sub(lambda found: str(inputs[found[1]]), template)
