"""What an engine heard: words, segments and the transcript, with times in milliseconds of the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; ``confidence`` is 0-1."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between pauses; ``words`` only when word times were asked for."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was heard in ``audio_ms`` of audio.

    Times count from the start of the file, also when only a part was transcribed. ``no_speech`` is true when the
    audio was decoded and holds no words; an engine that fails raises, it never returns this. ``note`` says what a
    reader must know about the engine's accuracy.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str
    confidence: float
    audio_ms: int
    processing_ms: int
    no_speech: bool
    engine: str
    model: str
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``words`` is left out where it was not asked for."""
        values = asdict(self)
        values["segments"] = [
            {name: value for name, value in segment.items() if not (name == "words" and value is None)}
            for segment in values["segments"]
        ]
        return values


def joined(segments: list[Segment]) -> tuple[str, float]:
    """Return the text of all segments and their confidence, weighted by their length in words."""
    text = " ".join(segment.text for segment in segments if segment.text)
    weights = [max(1, len(segment.text.split())) for segment in segments]
    total = sum(weights)
    if not total:
        return text, 0.0
    confidence = sum(segment.confidence * weight for segment, weight in zip(segments, weights, strict=True)) / total
    return text, round(confidence, 4)
