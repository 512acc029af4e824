"""Moods of texts and voices: what can be told is told, what cannot is not claimed."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engines.emotion import Emotion, analyse_audio, analyse_image, analyse_text, analyse_texts
from workers.engines.emotion.pitch import pitches
from workers.engines.errors import Cancelled, InvalidInput, NotConfigured

ROOT = Path(__file__).parents[3]
MEETING = ROOT / "samples" / "meeting.flac"
KNOWN = json.loads((ROOT / "samples" / "meeting.json").read_text(encoding="utf-8"))["utterances"]


def write_wav(path: Path, samples: NDArray[np.float64]) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("This is wonderful news, thank you so much!", "positive"),
        ("I am very disappointed, this is a terrible failure.", "negative"),
        ("The meeting is at three.", "neutral"),
        ("Not good at all.", "negative"),
        ("我特别高兴", "positive"),
        ("我不是很高兴", "negative"),
        ("这个结果非常糟糕", "negative"),
        ("没有什么不满", "positive"),
        ("不断改善,非常感谢大家", "positive"),
        ("会议三点开始", "neutral"),
        ("", "neutral"),
    ],
)
def test_words_tell_good_from_bad(text: str, emotion: str) -> None:
    assert analyse_text(text).emotion == emotion


@pytest.mark.parametrize("text", ["Great work!", "糟糕透了", "nothing here", ""])
def test_every_answer_is_within_its_bounds(text: str) -> None:
    found = analyse_text(text)
    assert -1 <= found.sentiment <= 1
    assert 0 <= found.confidence <= 1
    assert sum(found.emotions.values()) == pytest.approx(1, abs=0.001)
    assert found.emotion in found.emotions
    assert (found.modality, found.engine) in {("text", "vader"), ("text", "lexicon-zh")}


def test_degree_words_strengthen_and_weaken() -> None:
    assert analyse_text("非常满意").sentiment > analyse_text("满意").sentiment > analyse_text("有点满意").sentiment > 0


def test_where_there_is_nothing_to_go_by_nothing_is_claimed() -> None:
    assert analyse_text("The table has four legs.").confidence == 0.0
    assert analyse_text("桌子有四条腿").confidence == 0.0


def test_texts_keep_their_ids_and_order() -> None:
    found = analyse_texts([{"id": "b", "text": "great"}, {"id": "a", "text": "awful"}])
    assert [(one.id, one.emotion) for one in found] == [("b", "positive"), ("a", "negative")]


def test_an_endless_text_is_read_up_to_its_limit() -> None:
    assert analyse_text("good " * 400_000).emotion == "positive"


def mood(said: dict[str, int]) -> Emotion:
    return analyse_audio(MEETING, start_ms=said["start_ms"], end_ms=said["end_ms"])


def test_an_orator_is_more_excited_than_a_reader() -> None:
    orator = next(one for one in KNOWN if one["speaker"] == "John")
    reader = [one for one in KNOWN if one["speaker"] == "Jane"]
    assert all(mood(orator).emotions["excited"] > mood(one).emotions["excited"] for one in reader)


def test_a_voice_claims_neither_joy_nor_anger_and_little_confidence() -> None:
    found = analyse_audio(MEETING)
    assert (found.modality, found.engine, found.sentiment) == ("voice", "arousal", 0.0)
    assert 0 < found.confidence <= 0.6
    assert "not good from bad" in found.method


def test_silence_and_steady_noise_are_neutral_without_confidence(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal(48_000) * 500
    for name, sound in (("silence.wav", np.zeros(48_000)), ("noise.wav", noise)):
        found = analyse_audio(write_wav(tmp_path / name, sound))
        assert (found.emotion, found.confidence) == ("neutral", 0.0)


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound at all" * 50)
    with pytest.raises(InvalidInput):
        analyse_audio(tmp_path / "x.wav")


def test_cancelling_stops_the_reading() -> None:
    with pytest.raises(Cancelled):
        analyse_audio(MEETING, cancelled=lambda: True)


@pytest.mark.parametrize("hz", [90, 120, 210, 330])
def test_the_pitch_of_a_buzz_is_found(hz: int) -> None:
    time_s = np.arange(640) / 16_000
    buzz = np.sum([np.sin(2 * np.pi * hz * n * time_s) / n for n in range(1, 8)], axis=0)
    assert pitches(buzz[np.newaxis], 16_000)[0] == pytest.approx(hz, rel=0.03)


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal((50, 640))
    assert np.isnan(pitches(noise, 16_000)).mean() > 0.9


@pytest.mark.parametrize("model", [None, Path("model.onnx")])
def test_a_face_is_never_guessed_at(model: Path | None) -> None:
    with pytest.raises(NotConfigured, match="MT_FACE_MODEL_PATH"):
        analyse_image(Path("face.png"), model_path=model)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.engines.emotion", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_prints_json() -> None:
    assert json.loads(run("--text", "I love it").stdout)["emotion"] == "positive"
    assert json.loads(run("samples/meeting.flac").stdout)["modality"] == "voice"


def test_the_command_refuses_in_one_line() -> None:
    done = run("samples/README.md")
    assert done.returncode == 1
    assert done.stderr.startswith("media_invalid")
