"""Utterances: stretches of speech between pauses, cut from a stream of samples as it is read.

A decoder that adapts to a voice works best on one utterance at a time, and only then has memory that does not grow
with the file. Speech is told from silence by the WebRTC voice detector in frames of 30 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pocketsphinx import Vad

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME_MS = 30
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000


@dataclass(frozen=True, slots=True)
class Utterance:
    """Samples (mono int16 at 16 kHz) of one utterance and where it begins in the stream."""

    start_ms: int
    samples: NDArray[np.int16]

    @property
    def end_ms(self) -> int:
        """Where it ends in the stream."""
        return self.start_ms + len(self.samples) * 1000 // RATE_HZ


@dataclass(frozen=True, slots=True)
class Cut:
    """How utterances are cut; all in milliseconds."""

    pause_ms: int = 360
    """Silence that ends an utterance."""
    padding_ms: int = 300
    """Silence kept on both sides: the decoder needs some to find the first and last phone."""
    min_speech_ms: int = 150
    """Less than this is a click, not speech."""
    max_ms: int = 20_000
    """Longer utterances are cut at their quietest frame: decoding time and memory grow with the length."""
    mode: int = 3
    """The detector's strictness, 0-3; 3 takes the least noise for speech."""


def utterances(blocks: Iterable[NDArray[np.int16]], cut: Cut | None = None) -> Iterator[Utterance]:
    """Yield the utterances of a stream of int16 blocks (mono, 16 kHz, any block length)."""
    cutter = _Cutter(cut or Cut())
    for frame in _frames(blocks):
        yield from cutter.feed(frame)
    yield from cutter.finish()


def _frames(blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
    rest: NDArray[np.int16] = np.empty(0, dtype=np.int16)
    for block in blocks:
        rest = np.concatenate((rest, block))
        whole = len(rest) // FRAME_SAMPLES * FRAME_SAMPLES
        yield from rest[:whole].reshape(-1, FRAME_SAMPLES)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, FRAME_SAMPLES - len(rest)))


class _Cutter:
    """The state between two frames: what was heard since the last pause."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._vad = Vad(mode=cut.mode, sample_rate=RATE_HZ, frame_length=FRAME_MS / 1000)
        self._padding_frames = max(1, cut.padding_ms // FRAME_MS)
        self._before: deque[NDArray[np.int16]] = deque(maxlen=self._padding_frames)
        self._frames: list[NDArray[np.int16]] = []
        self._first = 0
        self._voiced = 0
        self._silent = 0
        self._position = 0

    def feed(self, frame: NDArray[np.int16]) -> Iterator[Utterance]:
        voiced = self._vad.is_speech(frame.tobytes())
        if self._frames or voiced:
            if not self._frames:
                self._first = self._position - len(self._before)
                self._frames = list(self._before)
            self._frames.append(frame)
            self._voiced += voiced
            self._silent = 0 if voiced else self._silent + 1
            if self._silent * FRAME_MS >= self._cut.pause_ms:
                yield from self._close()
            elif len(self._frames) * FRAME_MS >= self._cut.max_ms:
                yield from self._split()
        else:
            self._before.append(frame)
        self._position += 1

    def finish(self) -> Iterator[Utterance]:
        if self._frames:
            yield from self._close()

    def _close(self) -> Iterator[Utterance]:
        keep = len(self._frames) - max(0, self._silent - self._padding_frames)
        if self._voiced * FRAME_MS >= self._cut.min_speech_ms:
            yield self._utterance(self._frames[:keep])
        self._before.clear()
        self._before.extend(self._frames[keep:])
        self._frames, self._voiced, self._silent = [], 0, 0

    def _split(self) -> Iterator[Utterance]:
        """Cut a long utterance at the quietest frame of its second half."""
        half = len(self._frames) // 2
        loudness = [float(np.abs(frame.astype(np.int32)).mean()) for frame in self._frames[half:]]
        at = half + int(np.argmin(loudness)) + 1
        yield self._utterance(self._frames[:at])
        self._frames = self._frames[at:]
        self._first += at
        self._voiced = len(self._frames)

    def _utterance(self, frames: list[NDArray[np.int16]]) -> Utterance:
        return Utterance(start_ms=self._first * FRAME_MS, samples=np.concatenate(frames))
