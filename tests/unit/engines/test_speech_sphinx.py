"""The offline engine on real voices: what it hears, when, and how it refuses."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from workers.engines.errors import Cancelled, InvalidInput, NotConfigured
from workers.engines.speech import SpeechEngine, Transcript
from workers.engines.speech.sphinx import PocketSphinxEngine
from workers.engines.word_error import word_error_rate

SAMPLES = Path(__file__).parents[3] / "samples"
MEETING = SAMPLES / "meeting.flac"
KNOWN = json.loads((SAMPLES / "meeting.json").read_text())["utterances"]
FIRST_THREE_END_MS = KNOWN[3]["start_ms"] - 300


@pytest.fixture(scope="module")
def engine() -> PocketSphinxEngine:
    return PocketSphinxEngine()


@pytest.fixture(scope="module")
def transcript(engine: PocketSphinxEngine) -> Transcript:
    return engine.transcribe(MEETING, end_ms=FIRST_THREE_END_MS, word_timestamps=True)


def write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(samples.astype("<i2").tobytes())
    return path


def test_it_is_a_speech_engine(engine: PocketSphinxEngine) -> None:
    assert isinstance(engine, SpeechEngine)
    assert "low accuracy" in engine.accuracy_note


def test_real_voices_are_recognised_within_the_stated_error_rate(transcript: Transcript) -> None:
    said = " ".join(one["text"] for one in KNOWN[:3])
    assert word_error_rate(said, transcript.text) <= 0.30


def test_segments_carry_the_times_at_which_they_were_said(transcript: Transcript) -> None:
    for said in KNOWN[:3]:
        heard = [one for one in transcript.segments if one.start_ms < said["end_ms"] and one.end_ms > said["start_ms"]]
        assert heard
        assert abs(heard[0].start_ms - said["start_ms"]) < 400
        assert abs(heard[-1].end_ms - said["end_ms"]) < 400


def test_segments_are_in_order_and_hold_plain_words(transcript: Transcript) -> None:
    for before, after in pairwise(transcript.segments):
        assert before.end_ms <= after.start_ms
    assert not set(transcript.text) & set("<>[]()+0123456789")
    assert transcript.text == " ".join(one.text for one in transcript.segments)


def test_words_lie_inside_their_segment(transcript: Transcript) -> None:
    for segment in transcript.segments:
        assert segment.words
        assert " ".join(word.text for word in segment.words) == segment.text
        assert segment.words[0].start_ms == segment.start_ms
        assert segment.words[-1].end_ms == segment.end_ms
        assert all(0 <= word.confidence <= 1 for word in segment.words)


def test_confidence_is_a_real_posterior(transcript: Transcript) -> None:
    assert 0.2 < transcript.confidence < 1
    assert len({word.confidence for one in transcript.segments for word in one.words or ()}) > 5


def test_the_transcript_names_its_engine_and_measures_the_audio(transcript: Transcript) -> None:
    assert (transcript.engine, transcript.language) == ("pocketsphinx", "en")
    assert abs(transcript.audio_ms - FIRST_THREE_END_MS) < 50
    assert transcript.processing_ms > 0
    assert transcript.note


def test_times_count_from_the_start_of_the_file_in_a_part_of_it(engine: PocketSphinxEngine) -> None:
    said = KNOWN[3]
    part = engine.transcribe(MEETING, start_ms=said["start_ms"] - 300, end_ms=said["end_ms"] + 300)
    assert part.text == "the conference has been extended"
    assert abs(part.segments[0].start_ms - said["start_ms"]) < 400


def test_silence_is_no_speech_and_no_error(engine: PocketSphinxEngine, tmp_path: Path) -> None:
    silent = engine.transcribe(write_wav(tmp_path / "silent.wav", np.zeros(32_000)))
    assert silent.no_speech
    assert silent.text == ""
    assert silent.segments == ()
    assert silent.audio_ms == 2_000


def test_a_hum_is_no_speech(engine: PocketSphinxEngine, tmp_path: Path) -> None:
    hum = 3_000 * np.sin(2 * np.pi * 100 * np.arange(48_000) / 16_000)
    assert engine.transcribe(write_wav(tmp_path / "hum.wav", hum)).text == ""


@pytest.mark.parametrize("language", ["zh-CN", "de", "fr+es"])
def test_a_language_it_cannot_do_names_the_way_out(engine: PocketSphinxEngine, language: str) -> None:
    with pytest.raises(NotConfigured, match="MT_WHISPER_MODEL_PATH"):
        engine.transcribe(MEETING, language=language)


def test_cancelling_stops_between_utterances(engine: PocketSphinxEngine) -> None:
    with pytest.raises(Cancelled):
        engine.transcribe(MEETING, cancelled=lambda: True)


def test_progress_grows_to_one(engine: PocketSphinxEngine) -> None:
    shares: list[float] = []
    engine.transcribe(MEETING, end_ms=FIRST_THREE_END_MS, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 2


def test_a_file_that_is_no_audio_is_refused(engine: PocketSphinxEngine, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("these are notes, not sound" * 20)
    with pytest.raises(InvalidInput):
        engine.transcribe(tmp_path / "notes.wav")


def test_the_transcript_becomes_plain_json(transcript: Transcript) -> None:
    values = json.loads(json.dumps(transcript.to_dict()))
    assert values["segments"][0]["words"][0]["text"] == transcript.text.split()[0]
    bare = replace(transcript, segments=tuple(replace(one, words=None) for one in transcript.segments))
    assert "words" not in bare.to_dict()["segments"][0]


def test_what_was_heard_before_does_not_change_the_text() -> None:
    fresh, experienced = PocketSphinxEngine(), PocketSphinxEngine()
    experienced.transcribe(SAMPLES / "second.flac", end_ms=4_000)
    heard = experienced.transcribe(MEETING, start_ms=18_000, end_ms=21_000)
    assert heard.text == fresh.transcribe(MEETING, start_ms=18_000, end_ms=21_000).text
