"""Recognition by faster-whisper: many languages, good accuracy, with a model that the user has put on this machine.

Nothing is ever fetched: the model's directory is checked before the package sees it, because faster-whisper takes a
path that does not exist for the name of a model to download.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.engines.errors import Cancelled, EngineError, NotConfigured, OutOfResource
from workers.engines.media.decode import open_audio
from workers.engines.speech.languages import primary_languages
from workers.engines.speech.transcript import Segment, Transcript, Word, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engines.speech.interface import CancelCheck, Progress

RATE_HZ = 16_000
SETTING = "MT_WHISPER_MODEL_PATH"


class FasterWhisperEngine:
    """Recognises speech with the faster-whisper model in ``model_path``."""

    name = "faster-whisper"
    accuracy_note = ""

    def __init__(self, model_path: Path, *, device: str = "auto", compute_type: str = "default") -> None:
        """Check the directory and the package; the model itself is loaded by the first transcription."""
        check_model_directory(model_path)
        self._path = model_path
        self._device = device
        self._compute_type = compute_type
        self._model_class = _model_class()
        self._loaded_model: Any = None
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """The model directory's name."""
        return self._path.name

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
        """Transcribe; see :class:`workers.engines.speech.interface.SpeechEngine`.

        The audio of one call is held in memory (64 kB a second); call it on chunks of a long recording.
        """
        wanted = primary_languages(language)
        began = time.monotonic()
        blocks = list(open_audio(path, rate=RATE_HZ, channels=1, start_ms=start_ms, end_ms=end_ms, cancelled=cancelled))
        pcm = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int16)
        audio_ms = len(pcm) * 1000 // RATE_HZ
        segments: list[Segment] = []
        spoken = wanted[0] if wanted else ""
        if len(pcm):
            try:
                with self._lock:
                    found, info = self._load().transcribe(
                        pcm.astype(np.float32) / 32768,
                        # One language is an instruction, several or none are left to the model's detection.
                        language=wanted[0] if len(wanted) == 1 else None,
                        hotwords=" ".join(hotwords) or None,
                        word_timestamps=word_timestamps,
                        vad_filter=True,
                    )
                    spoken = info.language
                    for entry in found:
                        if cancelled is not None and cancelled():
                            raise Cancelled("the transcription was cancelled between two segments")
                        segments.append(_segment(entry, start_ms, keep_words=word_timestamps))
                        if progress is not None and audio_ms:
                            progress(min(1.0, entry.end * 1000 / audio_ms))
            except (MemoryError, RuntimeError, ValueError) as error:
                raise _translated(error) from error
        if progress is not None:
            progress(1.0)
        text, confidence = joined(segments)
        return Transcript(
            text=text,
            segments=tuple(segments),
            language=spoken,
            confidence=confidence,
            audio_ms=audio_ms,
            processing_ms=round((time.monotonic() - began) * 1000),
            no_speech=not text,
            engine=self.name,
            model=self.model,
            note=self.accuracy_note,
        )

    def _load(self) -> Any:
        if self._loaded_model is None:
            self._loaded_model = self._model_class(
                str(self._path), device=self._device, compute_type=self._compute_type, local_files_only=True
            )
        return self._loaded_model


def check_model_directory(path: Path) -> None:
    """Refuse a path that is no faster-whisper model, naming the setting."""
    if not path.is_dir():
        raise NotConfigured(f"{SETTING}: {path} is not a directory with a faster-whisper model", setting=SETTING)
    if not (path / "model.bin").is_file():
        raise NotConfigured(f"{SETTING}: {path} holds no model.bin, so it is no faster-whisper model", setting=SETTING)


def _model_class() -> Any:
    try:
        from faster_whisper import WhisperModel  # noqa: PLC0415 - an optional package, needed by this engine alone
    except ImportError as error:
        message = "the package faster-whisper is not installed: pip install 'meetingtasks[whisper]'"
        raise NotConfigured(message, extra="whisper") from error
    return WhisperModel


def _translated(error: Exception) -> EngineError:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return OutOfResource(f"faster-whisper ran out of memory: {error}")
    return EngineError(f"faster-whisper failed: {error}")


def _segment(entry: Any, offset_ms: int, *, keep_words: bool) -> Segment:
    words = tuple(
        Word(
            start_ms=offset_ms + round(word.start * 1000),
            end_ms=offset_ms + round(word.end * 1000),
            text=word.word.strip(),
            confidence=round(min(1.0, max(0.0, float(word.probability))), 4),
        )
        for word in entry.words or ()
    )
    return Segment(
        start_ms=offset_ms + round(entry.start * 1000),
        end_ms=offset_ms + round(entry.end * 1000),
        text=entry.text.strip(),
        confidence=round(min(1.0, float(np.exp(entry.avg_logprob))), 4),
        words=words if keep_words else None,
    )
