"""Finding speech and cutting: real voices, real noise, and the samples of every chunk."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.support.media_samples import (
    RATE,
    damage,
    noise_like,
    sound_of,
    spoken,
    tone,
    write_sound,
    write_wav,
)
from workers.engines.errors import Cancelled, InvalidInput
from workers.engines.media import guard
from workers.engines.media import speech as speech_module
from workers.engines.media.info import Gap
from workers.engines.media.speech import detect_speech, measure_speech
from workers.engines.media.split import split_audio


def covered_ms(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> int:
    return sum(max(min(b, d) - max(a, c), 0) for a, b in spans for c, d in others)


def length_ms(spans: list[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)


@pytest.mark.parametrize("kind", ["white", "fan"])
@pytest.mark.parametrize(("snr_db", "found"), [(20, 0.98), (10, 0.95), (5, 0.93), (0, 0.9)])
def test_speech_is_found_in_noise_and_noise_is_not_speech(tmp_path: Path, kind: str, snr_db: int, found: float) -> None:
    clean, sentences = spoken([2, 3, 2.5, 2])
    path = write_wav(tmp_path / "s.wav", clean + noise_like(clean, kind=kind, snr_db=snr_db))
    spans = detect_speech(path)
    pauses = [(0, sentences[0][0]), *((a[1], b[0]) for a, b in itertools.pairwise(sentences))]
    assert covered_ms(spans, sentences) > found * length_ms(sentences)
    assert covered_ms(spans, pauses) < 0.05 * length_ms(pauses)


def test_noise_alone_and_silence_alone_are_not_speech(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 500, RATE * 30)
    assert detect_speech(write_wav(tmp_path / "n.wav", noise)) == []
    silence = measure_speech(write_wav(tmp_path / "s.wav", np.zeros(RATE * 3 + 1)))
    assert (silence.spans, silence.speech_ms, silence.duration_ms) == ((), 0, 3001)


def test_noise_that_begins_in_the_middle_is_followed(tmp_path: Path) -> None:
    clean, sentences = spoken([2] * 8)
    quiet = np.random.default_rng(3).normal(0, 10, len(clean))
    loud = noise_like(clean, kind="white", snr_db=10)
    half = len(clean) // 2
    path = write_wav(tmp_path / "s.wav", clean + np.concatenate([quiet[:half], loud[half:]]))
    spans = detect_speech(path)
    later_pauses = [(a[1], b[0]) for a, b in itertools.pairwise(sentences) if a[1] > half * 1000 // RATE + 20_000]
    assert later_pauses
    assert covered_ms(spans, later_pauses) < 0.25 * length_ms(later_pauses)
    assert covered_ms(spans, sentences) > 0.8 * length_ms(sentences)


def test_blocks_and_files_give_the_same(tmp_path: Path) -> None:
    clean, _ = spoken([1, 1])
    path = write_wav(tmp_path / "s.wav", clean)
    samples = sound_of(path)
    odd_blocks = [samples[at : at + 777] for at in range(0, len(samples), 777)]
    assert detect_speech(odd_blocks) == detect_speech(path)


def test_lost_parts_count_as_speech_not_as_silence(tmp_path: Path) -> None:
    silence = tmp_path / "silence.flac"
    write_sound(silence, "flac", "flac", seconds=4)
    path = damage(silence, tmp_path / "bad.flac", size=4000)
    gaps: list[Gap] = []
    speech = measure_speech(path, on_gap=gaps.append)
    assert speech.gaps == tuple(gaps) != ()
    for gap in gaps:
        assert covered_ms(list(speech.spans), [(gap.start_ms, gap.end_ms)]) == gap.end_ms - gap.start_ms
    with pytest.raises(InvalidInput):
        detect_speech(path)


def test_parts_that_were_lost_before_count_as_speech() -> None:
    blocks = [np.zeros(RATE, dtype=np.int16)] * 5
    assert measure_speech(blocks, lost=[(1000, 2500), (4500, 9000)]).spans == ((1000, 2500), (4500, 5000))


def test_a_fault_of_the_detector_is_never_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, _strictness: int) -> None: ...

        def is_speech(self, _frame: bytes, _rate: int) -> bool:
            raise RuntimeError("detector broke")

    import webrtcvad  # noqa: PLC0415 - optional package

    monkeypatch.setattr(webrtcvad, "Vad", Broken)
    with pytest.raises(RuntimeError, match="detector broke"):
        detect_speech([tone(1)])


def test_without_the_voice_detector_more_is_speech_never_less(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, _ = spoken([1, 1])
    blocks = [np.round(clean + noise_like(clean, kind="fan", snr_db=20)).astype(np.int16)]
    both = detect_speech(blocks)
    monkeypatch.setattr(speech_module, "find_spec", lambda _name: None)
    assert covered_ms(detect_speech(blocks), both) == length_ms(both)


def test_chunks_hold_exactly_their_samples(tmp_path: Path) -> None:
    clean, _ = spoken([1.3, 2.1, 0.9, 1.7, 2.2, 1.1])
    path = write_wav(tmp_path / "s.wav", clean)
    whole = sound_of(path)
    written = split_audio(path, tmp_path / "chunks", target_ms=10_000, min_ms=3_000, max_ms=15_000)
    assert len(written) > 3
    for entry in written:
        samples = sound_of(entry.path)
        chunk = entry.chunk
        assert np.array_equal(samples, whole[chunk.context_start_ms * 16 : chunk.context_end_ms * 16])
        assert entry.sha256 == hashlib.sha256(entry.path.read_bytes()).hexdigest()
        assert entry.size_bytes == entry.path.stat().st_size
    assert sorted(p.name for p in (tmp_path / "chunks").iterdir()) == [
        f"chunk-{n:05d}.wav" for n in range(len(written))
    ]
    own = [
        sound_of(w.path)[
            (w.chunk.start_ms - w.chunk.context_start_ms) * 16 : (w.chunk.end_ms - w.chunk.context_start_ms) * 16
        ]
        for w in written
    ]
    assert np.array_equal(np.concatenate(own), whole)


def test_cuts_fall_into_the_pauses_between_sentences(tmp_path: Path) -> None:
    clean, sentences = spoken([1.5] * 8)
    path = write_wav(tmp_path / "s.wav", clean + noise_like(clean, kind="fan", snr_db=10))
    written = split_audio(path, tmp_path / "chunks", target_ms=12_000, min_ms=5_000, max_ms=20_000)
    for entry in written[:-1]:
        cut = entry.chunk.end_ms
        assert not [span for span in sentences if span[0] + 100 < cut < span[1] - 200], cut


def test_a_repeat_writes_the_same_bytes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", tone(12))
    first = split_audio(path, tmp_path / "chunks", target_ms=5_000, min_ms=2_000, max_ms=8_000)
    assert split_audio(path, tmp_path / "chunks", target_ms=5_000, min_ms=2_000, max_ms=8_000) == first


def test_a_recording_shorter_than_a_chunk_is_one_chunk(tmp_path: Path) -> None:
    written = split_audio(write_wav(tmp_path / "s.wav", tone(0.01)), tmp_path / "chunks")
    assert [(w.chunk.start_ms, w.chunk.end_ms) for w in written] == [(0, 10)]


def test_a_failure_while_writing_removes_the_chunks_of_this_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    path = write_wav(tmp_path / "s.wav", tone(120))
    chunks = tmp_path / "chunks"
    with pytest.raises(Cancelled):
        split_audio(path, chunks, target_ms=5_000, cancelled=(chunks / "chunk-00003.wav").exists)
    assert list(chunks.iterdir()) == []
