"""The mood of texts by the polarity of their words: VADER for English, a lexicon of our own for Chinese."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from workers.engines.emotion.chinese import polarity as chinese_polarity
from workers.engines.emotion.model import Emotion, strongest
from workers.engines.errors import NotConfigured

METHOD: Final = "word polarity: tells good from bad, not one bad feeling from another"
MAX_CHARACTERS = 20_000
#: where VADER's authors put the border between neutral and not
_BORDER = 0.05
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")


def analyse_text(text: str) -> Emotion:
    """Return the mood of one text; texts above 20 000 characters are read up to there."""
    text = text[:MAX_CHARACTERS]
    chinese = len(_CHINESE.findall(text)) * 3 > sum(sign.isalpha() for sign in text)
    if chinese:
        sentiment, evidence = chinese_polarity(text)
        engine = "lexicon-zh"
    else:
        scores = _vader().polarity_scores(text)
        sentiment, evidence = float(scores["compound"]), round((1 - scores["neu"]) * len(text.split()))
        engine = "vader"
    shares = {
        "positive": max(0.0, sentiment),
        "negative": max(0.0, -sentiment),
        "neutral": 1 - abs(sentiment) if abs(sentiment) >= _BORDER else 1.0,
    }
    label, even = strongest(shares)
    if abs(sentiment) >= _BORDER:
        label = "positive" if sentiment > 0 else "negative"
    # one telling word proves little, five prove about as much as this method ever can
    confidence = round(min(1.0, evidence / 5) * abs(sentiment), 4) if evidence else 0.0
    return Emotion(
        emotion=label,
        confidence=confidence,
        emotions=even,
        sentiment=sentiment,
        modality="text",
        method=METHOD,
        engine=engine,
    )


def analyse_texts(items: Iterable[Mapping[str, Any]]) -> list[Emotion]:
    """Return the mood of each ``{"id", "text"}``, with its id."""
    return [replace(analyse_text(str(item["text"])), id=str(item["id"])) for item in items]


@functools.cache
def _vader() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NotConfigured(
            "the mood of English texts needs the extra meetingtasks[text]", code="engine_not_configured"
        ) from error
    return SentimentIntensityAnalyzer()
