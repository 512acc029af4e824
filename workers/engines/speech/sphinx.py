"""Offline English recognition by PocketSphinx: no model to fetch, no network, modest accuracy.

Each utterance is decoded on its own, so memory does not grow with the file. Word times come from the decoder.
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

from pocketsphinx import Decoder

from workers.engines.errors import Cancelled, EngineError, NotConfigured
from workers.engines.media.decode import open_audio
from workers.engines.speech.interface import CancelCheck, Progress
from workers.engines.speech.languages import primary_languages
from workers.engines.speech.transcript import Segment, Transcript, Word, joined
from workers.engines.speech.utterances import RATE_HZ, Utterance, utterances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ACCURACY_NOTE = (
    "PocketSphinx recognises English offline at low accuracy (about one word in five is wrong in clean read speech, "
    "far more in conversation); configure faster-whisper or a speech endpoint for minutes that matter."
)
SEGMENT_PAUSE_MS = 350
_NOT_A_WORD = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+)$")
_PRONUNCIATION = re.compile(r"\(\d+\)$")
# Bounds of the search: no change in the errors of clean speech, and a third less work where noise widens the search.
# Beams, weights and mean normalisation are the package's own; none of the others tried gained more than a point.
_SEARCH = {"maxhmmpf": 10_000, "maxwpf": 20}
# Amplitudes are brought to this share of full scale: the acoustic model was trained on speech of that level.
_TARGET_PEAK = 0.5
_MAX_GAIN = 8.0


class PocketSphinxEngine:
    """Recognises English with the model that comes with the ``pocketsphinx`` package."""

    name = "pocketsphinx"
    model = "en-us ptm 5.2"
    accuracy_note = ACCURACY_NOTE

    def __init__(self) -> None:
        self._decoder: Decoder | None = None
        # A decoder holds one utterance's state: two threads must not share it.
        self._lock = threading.Lock()

    def transcribe(
        self,
        path: Path,
        *,
        start_ms: int = 0,
        end_ms: int | None = None,
        language: str = "auto",
        hotwords: Sequence[str] = (),  # noqa: ARG002 - the language model cannot be biased; accuracy_note says so
        word_timestamps: bool = False,
        cancelled: CancelCheck | None = None,
        progress: Progress | None = None,
    ) -> Transcript:
        """Transcribe; see :class:`workers.engines.speech.interface.SpeechEngine`. ``hotwords`` have no effect."""
        check_english(language)
        began = time.monotonic()
        source = _Counted(
            open_audio(path, rate=RATE_HZ, channels=1, start_ms=start_ms, end_ms=end_ms, cancelled=cancelled)
        )
        expected_ms = None if end_ms is None else end_ms - start_ms
        segments: list[Segment] = []
        with self._lock:
            # what it has heard before must not colour what it hears now: the same recording gives the same text
            self._loaded().reinit_feat()
            for utterance in utterances(source):
                if cancelled is not None and cancelled():
                    raise Cancelled("the transcription was cancelled between two utterances")
                words = self._words(utterance, offset_ms=start_ms)
                segments.extend(_segments(words, keep_words=word_timestamps))
                if progress is not None and expected_ms:
                    progress(min(1.0, utterance.end_ms / expected_ms))
        if progress is not None:
            progress(1.0)
        text, confidence = joined(segments)
        return Transcript(
            text=text,
            segments=tuple(segments),
            language="en",
            confidence=confidence,
            audio_ms=source.samples * 1000 // RATE_HZ,
            processing_ms=round((time.monotonic() - began) * 1000),
            no_speech=not text,
            engine=self.name,
            model=self.model,
            note=self.accuracy_note,
        )

    def _words(self, utterance: Utterance, *, offset_ms: int) -> list[Word]:
        decoder = self._loaded()
        try:
            decoder.start_utt()
            decoder.process_raw(_levelled(utterance.samples).tobytes(), full_utt=True)
            decoder.end_utt()
            found = list(decoder.seg()) if decoder.hyp() is not None else []
        except RuntimeError as error:
            raise EngineError(f"PocketSphinx failed at {offset_ms + utterance.start_ms} ms: {error}") from error
        words = []
        for entry in found:
            if _NOT_A_WORD.match(entry.word):
                continue
            start = offset_ms + utterance.start_ms + entry.start_frame * 10  # the decoder's frames are 10 ms
            end = offset_ms + utterance.start_ms + (entry.end_frame + 1) * 10
            text = _PRONUNCIATION.sub("", entry.word)
            words.append(Word(start, end, text, round(min(1.0, entry.prob), 4)))
        return words

    def _loaded(self) -> Decoder:
        if self._decoder is None:
            self._decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL", **_SEARCH)
        return self._decoder


def check_english(language: str) -> None:
    """Refuse a language that only other engines have; ``auto`` and any list with English pass."""
    wanted = primary_languages(language)
    if wanted and "en" not in wanted:
        message = (
            f"the offline engine recognises English only, not {language!r}: set MT_WHISPER_MODEL_PATH to a "
            "faster-whisper model directory, or MT_SPEECH_HTTP_URL to a speech endpoint"
        )
        raise NotConfigured(message, language=language)


class _Counted:
    """Passes sample blocks on and counts their samples: the audio's true length."""

    def __init__(self, blocks: Iterator[NDArray[np.int16]]) -> None:
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        for block in self._blocks:
            self.samples += len(block)
            yield block


def _levelled(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Bring quiet speech to the level the model expects; loud speech stays as it is."""
    peak = int(abs(samples.astype("int32")).max(initial=0))
    if not peak:
        return samples
    gain = min(_MAX_GAIN, max(1.0, _TARGET_PEAK * 32767 / peak))
    levelled: NDArray[np.int16] = (samples * gain).clip(-32768, 32767).astype("int16")
    return levelled


def _segments(words: list[Word], *, keep_words: bool) -> Iterator[Segment]:
    """Join the words of one utterance into segments that end at pauses."""
    first = 0
    for i in range(1, len(words) + 1):
        if i < len(words) and words[i].start_ms - words[i - 1].end_ms < SEGMENT_PAUSE_MS:
            continue
        part = words[first:i]
        first = i
        yield Segment(
            start_ms=part[0].start_ms,
            end_ms=part[-1].end_ms,
            text=" ".join(word.text for word in part),
            confidence=round(sum(word.confidence for word in part) / len(part), 4),
            words=tuple(part) if keep_words else None,
        )
