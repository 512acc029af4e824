"""What every speech engine can do, so that a caller need not know which one it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from workers.engines.speech.transcript import Transcript

CancelCheck = Callable[[], bool]
"""Asked between utterances; ``True`` stops the work with :class:`workers.engines.errors.Cancelled`."""

Progress = Callable[[float], None]
"""Told the share of the audio that is done, 0.0 to 1.0."""


@runtime_checkable
class SpeechEngine(Protocol):
    """Turns recorded speech into text."""

    @property
    def name(self) -> str:
        """The engine's short name, as in ``choose(engine=...)``."""
        ...

    @property
    def model(self) -> str:
        """Which model answers."""
        ...

    @property
    def accuracy_note(self) -> str:
        """What a reader must know about the accuracy; empty when there is nothing to warn of."""
        ...

    def transcribe(
        self,
        path: Path,
        *,
        start_ms: int = 0,
        end_ms: int | None = None,
        language: str = "auto",
        hotwords: Sequence[str] = (),
        word_timestamps: bool = False,
        cancelled: CancelCheck | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """Transcribe ``path`` from ``start_ms`` to ``end_ms`` (``None`` = its end).

        Silence gives an empty text with ``no_speech``. Raises ``InvalidInput`` for a file that is no audio,
        ``NotConfigured`` for a language or model the engine does not have, ``Cancelled``, ``EngineError``.
        """
        ...
