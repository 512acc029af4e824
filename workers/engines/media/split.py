"""A recording cut into WAV chunks at its pauses, each small enough for one task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workers.engines.media.chunks import Chunk, plan_chunks
from workers.engines.media.decode import open_audio
from workers.engines.media.files import replacing, sha256_of
from workers.engines.media.guard import border
from workers.engines.media.limits import DEFAULT_LIMITS, Limits
from workers.engines.media.speech import RATE, Span, Speech, detect_speech, measure_speech
from workers.engines.media.wav import WavWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from workers.engines.media.info import Gap

__all__ = ["Chunk", "Span", "Speech", "WrittenChunk", "detect_speech", "measure_speech", "plan_chunks", "split_audio"]


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """A chunk and its file: 16 kHz mono WAV of ``[context_start_ms, context_end_ms)``."""

    chunk: Chunk
    path: Path
    size_bytes: int
    sha256: str


def split_audio(
    path: Path,
    out_dir: Path,
    *,
    target_ms: int = 30_000,
    min_ms: int = 5_000,
    max_ms: int = 60_000,
    overlap_ms: int = 1_000,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
) -> list[WrittenChunk]:
    """Cut ``path`` into ``out_dir/chunk-00000.wav`` and so on.

    The directory is made if it is not there. On any failure the chunks written by this call are removed; a repeat
    overwrites them with the same bytes. Raises what ``open_audio`` and ``plan_chunks`` raise.
    """
    speech = measure_speech(path, limits=limits, cancelled=cancelled, on_gap=on_gap)
    chunks = plan_chunks(
        speech.duration_ms,
        speech.spans,
        target_ms=target_ms,
        min_ms=min_ms,
        max_ms=max_ms,
        overlap_ms=overlap_ms,
    )
    with border(out_dir, "making the directory"):
        out_dir.mkdir(parents=True, exist_ok=True)
    ignore = None if on_gap is None else _told_already
    blocks = open_audio(path, rate=RATE, limits=limits, cancelled=cancelled, on_gap=ignore)
    written: list[WrittenChunk] = []
    try:
        for chunk, samples in zip(chunks, _contexts(blocks, chunks), strict=True):
            written.append(_write(chunk, samples, out_dir))
    except BaseException:
        for done in written:
            done.path.unlink(missing_ok=True)
        raise
    return written


def _told_already(gap: Gap) -> None:
    """Do nothing: the first pass reported every gap, and the second meets the same ones."""


def _write(chunk: Chunk, samples: NDArray[np.int16], out_dir: Path) -> WrittenChunk:
    out = out_dir / f"chunk-{chunk.index:05d}.wav"
    with replacing(out) as partial:
        with partial.open("xb") as file:
            writer = WavWriter(file, rate=RATE, channels=1)
            writer.write(samples)
            writer.finish()
        size_bytes, digest = partial.stat().st_size, sha256_of(partial)
    return WrittenChunk(chunk, out, size_bytes, digest)


def _contexts(blocks: Iterator[NDArray[np.int16]], chunks: Sequence[Chunk]) -> Iterator[NDArray[np.int16]]:
    """Yield the samples of each chunk with its context, holding one chunk at a time."""
    held = np.zeros(0, dtype=np.int16)
    held_from = 0
    for chunk in chunks:
        first, last = (ms * RATE // 1000 for ms in (chunk.context_start_ms, chunk.context_end_ms))
        parts = [held[max(first - held_from, 0) :]]
        held_from = max(first, held_from)
        have = held_from + len(parts[0])
        while have < last and (block := next(blocks, None)) is not None:
            parts.append(block)
            have += len(block)
        held = np.concatenate(parts)
        yield held[: last - held_from]
