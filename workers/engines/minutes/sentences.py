"""Cuts segments into sentences that know where they come from.

Recognisers often give no punctuation at all; then a segment, which ends at a pause, counts as a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

#: bounds against hostile transcripts: an 8 hour meeting has about 6000 segments of 200 characters
MAX_SEGMENTS = 20_000
MAX_SENTENCE = 1_000
MAX_SEGMENT = 20_000
_END = re.compile(
    r"(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bMrs\.)(?<!\bvs\.)(?<=[.!?])\s+(?=[A-Z0-9\"'(])|(?<=[\u3002\uff01\uff1f\uff1b])|\n+"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Sentence:
    """One sentence, the segment that holds it and who spoke."""

    text: str
    segment_id: str
    speaker: str | None
    number: int


def sentences_of(segments: Iterable[Mapping[str, Any]]) -> list[Sentence]:
    """Return the sentences of a transcript in order."""
    found: list[Sentence] = []
    for place, segment in enumerate(segments):
        if place >= MAX_SEGMENTS:
            break
        speaker = segment.get("speaker")
        identity = str(segment.get("id") or f"s{place + 1:04d}")
        for part in _END.split(_plain(str(segment.get("text") or "")[:MAX_SEGMENT])):
            if part.strip():
                text = part.strip()[:MAX_SENTENCE]
                found.append(Sentence(text, identity, str(speaker) if speaker else None, len(found)))
    return found


def is_chinese(text: str) -> bool:
    """Tell whether a text is mainly written in Chinese characters."""
    letters = sum(1 for sign in text if sign.isalpha())
    return letters > 0 and len(_CHINESE.findall(text)) * 3 > letters


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower case; Chinese by pairs of characters."""
    if is_chinese(text):
        signs = _CHINESE.findall(text)
        return [first + second for first, second in pairwise(signs)] or signs
    return re.findall(r"[a-z0-9']+", text.lower())


def _plain(text: str) -> str:
    return "".join(sign for sign in text if sign == "\n" or not unicodedata.category(sign).startswith("C"))
