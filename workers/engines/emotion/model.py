"""What is said about a mood, and how it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Emotion:
    """The strongest label, every label's share (together 1), and the sentiment from -1 bad to 1 good.

    ``method`` says what was looked at: polarity of words cannot tell anger from sadness, loudness cannot tell joy
    from anger, so labels are coarse and ``confidence`` is low where there is little to go by.
    """

    emotion: str
    confidence: float
    emotions: Mapping[str, float]
    sentiment: float
    modality: Literal["text", "voice"]
    method: str
    engine: str
    id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {**asdict(self), "emotions": dict(self.emotions)}


def strongest(shares: Mapping[str, float]) -> tuple[str, dict[str, float]]:
    """Return the strongest label and the shares brought to a sum of 1."""
    total = sum(shares.values()) or 1.0
    even = {label: round(share / total, 4) for label, share in shares.items()}
    return max(even, key=lambda label: even[label]), even
