"""Recognition by an OpenAI-style HTTP endpoint (``POST /v1/audio/transcriptions``): a hosted or a local server."""

from __future__ import annotations

import io
import math
import time
import wave
from typing import TYPE_CHECKING, Any

from workers.engines.errors import Cancelled, EngineError
from workers.engines.http import post
from workers.engines.media.decode import open_audio
from workers.engines.speech.languages import primary_languages
from workers.engines.speech.transcript import Segment, Transcript, Word, joined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workers.engines.speech.interface import CancelCheck, Progress

RATE_HZ = 16_000


class HttpSpeechEngine:
    """Sends the audio as 16 kHz WAV and reads a ``verbose_json`` answer."""

    name = "http"
    accuracy_note = ""

    def __init__(self, url: str, *, key: str = "", model: str = "whisper-1", timeout_s: float = 60.0) -> None:
        """``url`` is the base address, without ``/v1``; ``timeout_s`` bounds each wait of one request."""
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1/audio/transcriptions"
        self._key = key
        self.model = model
        self._timeout_s = timeout_s

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

        ``cancelled`` is asked before and after the request. Raises ``EndpointFailed`` and the like.
        """
        wanted = primary_languages(language)
        began = time.monotonic()
        wav, audio_ms = _wav(path, start_ms, end_ms, cancelled)
        _stop_if(cancelled)
        form: dict[str, Any] = {"model": self.model, "response_format": "verbose_json"}
        form["timestamp_granularities[]"] = ["segment", "word"] if word_timestamps else ["segment"]
        if len(wanted) == 1:
            form["language"] = wanted[0]
        if hotwords:
            form["prompt"] = ", ".join(hotwords)
        answer = post(
            self._url,
            key=self._key,
            timeout_s=self._timeout_s,
            data=form,
            files={"file": ("audio.wav", wav, "audio/wav")},
        )
        _stop_if(cancelled)
        if progress is not None:
            progress(1.0)
        segments = _segments(answer, start_ms, audio_ms, keep_words=word_timestamps)
        text, confidence = joined(segments)
        return Transcript(
            text=text,
            segments=tuple(segments),
            language=str(answer.get("language") or (wanted[0] if wanted else "")),
            confidence=confidence,
            audio_ms=audio_ms,
            processing_ms=round((time.monotonic() - began) * 1000),
            no_speech=not text,
            engine=self.name,
            model=self.model,
            note=self.accuracy_note,
        )


def _stop_if(cancelled: CancelCheck | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("the transcription was cancelled")


def _wav(path: Path, start_ms: int, end_ms: int | None, cancelled: CancelCheck | None) -> tuple[bytes, int]:
    file = io.BytesIO()
    count = 0
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        for block in open_audio(path, rate=RATE_HZ, start_ms=start_ms, end_ms=end_ms, cancelled=cancelled):
            out.writeframes(block.astype("<i2").tobytes())
            count += len(block)
    return file.getvalue(), count * 1000 // RATE_HZ


def _segments(answer: Any, offset_ms: int, audio_ms: int, *, keep_words: bool) -> list[Segment]:
    """Read the answer's segments; an answer with text alone becomes one segment over the whole audio."""
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise EngineError("the speech endpoint's answer holds no text", code="endpoint_answer_invalid")
    try:
        words = [_word(entry, offset_ms) for entry in answer.get("words") or ()] if keep_words else []
        entries = answer.get("segments") or ()
        if not entries and answer["text"].strip():
            entries = [{"start": 0, "end": audio_ms / 1000, "text": answer["text"]}]
        return [_segment(entry, offset_ms, words if keep_words else None) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        message = f"the speech endpoint's segments cannot be read: {error!r}"
        raise EngineError(message, code="endpoint_answer_invalid") from error


def _word(entry: Any, offset_ms: int) -> Word:
    start, end = (offset_ms + round(float(entry[edge]) * 1000) for edge in ("start", "end"))
    return Word(start, end, str(entry["word"]).strip(), _share(entry.get("probability")))


def _segment(entry: Any, offset_ms: int, words: list[Word] | None) -> Segment:
    start, end = (offset_ms + round(float(entry[edge]) * 1000) for edge in ("start", "end"))
    log_probability = entry.get("avg_logprob")
    return Segment(
        start_ms=start,
        end_ms=end,
        text=str(entry["text"]).strip(),
        confidence=0.0 if log_probability is None else _share(math.exp(min(0.0, float(log_probability)))),
        words=None if words is None else tuple(word for word in words if start <= word.start_ms < end),
    )


def _share(value: Any) -> float:
    """Return a confidence of 0-1; an endpoint that gives none is told as 0, which claims nothing."""
    return 0.0 if value is None else round(min(1.0, max(0.0, float(value))), 4)
