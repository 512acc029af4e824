"""The timeline of a sound track: every decoded frame at its true time, and every hole known.

Damaged packets, clusters that the demuxer skipped and samples that are no numbers all leave a hole. Zeros are put
there, so that whatever comes later keeps its time, and the hole is reported as a ``Gap``; without a listener the file
is refused. So a fault in the file is never taken for silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from av import AudioFrame

from workers.engines.errors import InvalidInput
from workers.engines.media.guard import named
from workers.engines.media.info import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Containers round their timestamps (Matroska to 1 ms) and recorders' clocks drift: less than this is no hole.
_JITTER_S = 0.1
# After a packet that could not be decoded even a short hole is that packet.
_DAMAGED_JITTER_S = 0.002
# A file that ends this much before its claimed length was cut off; encoders' padding is far shorter.
_TRUNCATED_S = 0.5
_ZEROS_AT_ONCE_S = 1.0


class Timeline:
    """Places frames one after the other.

    ``origin_s`` is the timestamp that counts as zero; ``from_s`` where the caller's interest begins (gaps before it
    are not reported); ``longest_s`` the length beyond which the file is refused. ``first_s`` is where the first frame
    was placed: later than zero for a sound track that starts after its picture, which is no gap.
    """

    def __init__(
        self,
        path: Path,
        *,
        origin_s: float,
        from_s: float,
        longest_s: float,
        on_gap: Callable[[Gap], None] | None,
    ) -> None:
        self.first_s: float | None = None
        self._next_s = 0.0
        self._path = path
        self._origin_s = origin_s
        self._from_s = from_s
        self._longest_s = longest_s
        self._on_gap = on_gap
        self._damaged = False
        self._open: Gap | None = None

    def place(self, frame: AudioFrame, *, may_be_nan: bool) -> Iterator[AudioFrame]:
        """Give the frames for the resampler: zeros for a hole before ``frame``, then ``frame`` with numbers only.

        Raises ``InvalidInput`` for a gap without a listener and for more sound than allowed.
        """
        time_s = self._time_of(frame)
        if self.first_s is None:
            self.first_s = self._next_s = min(time_s, self._from_s) if self._from_s else time_s
        if max(time_s, self._next_s) > self._longest_s:
            raise InvalidInput(
                f"{named(self._path)}: has sound beyond the allowed {self._longest_s:.0f} s", code="media_too_large"
            )
        yield from self._fill_hole(frame, time_s)
        self._damaged = False
        placed = self._numbers_only(frame) if may_be_nan else frame
        self._next_s += placed.samples / placed.sample_rate
        placed.pts = None  # the resampler gets one unbroken stream
        yield placed

    def damage(self) -> None:
        """Note that the packet at this point could not be decoded."""
        self._damaged = True

    def finish(self, claimed_s: float | None) -> None:
        """Close the file's end; ``claimed_s`` is the length it claims, where such claims of its format can be trusted.

        Raises ``InvalidInput`` when not one frame could be decoded: that is no recording with a gap.
        """
        if self.first_s is None and (self._damaged or not self._from_s):
            raise InvalidInput(f"{named(self._path)}: not one moment of its audio stream can be decoded")
        end_s = self._next_s
        if claimed_s is not None and claimed_s - end_s > _TRUNCATED_S:
            self._report(end_s, claimed_s, "truncated")
        elif self._damaged:
            self._report(end_s, end_s, "damaged")
        self.flush()

    def flush(self) -> None:
        """Hand out the last gap, which might still have grown."""
        if self._open is not None and self._on_gap is not None:
            self._on_gap(self._open)
        self._open = None

    def _time_of(self, frame: AudioFrame) -> float:
        if frame.pts is None or frame.time_base is None:
            return self._next_s
        return float(frame.pts * frame.time_base) - self._origin_s

    def _fill_hole(self, frame: AudioFrame, time_s: float) -> Iterator[AudioFrame]:
        hole_s = time_s - self._next_s
        if hole_s > (_DAMAGED_JITTER_S if self._damaged else _JITTER_S):
            self._report(self._next_s, time_s, "damaged" if self._damaged else "missing")
            yield from _zeros_like(frame, hole_s)
            self._next_s = time_s
        elif self._damaged:
            self._report(self._next_s, self._next_s, "damaged")

    def _numbers_only(self, frame: AudioFrame) -> AudioFrame:
        samples = frame.to_ndarray()
        good = np.isfinite(samples)
        if good.all():
            return frame
        per_sample = samples.shape[1] // frame.samples  # interleaved channels lie side by side
        bad = np.flatnonzero(~good.all(axis=0)) // per_sample
        first_s, last_s = (self._next_s + int(at) / frame.sample_rate for at in (bad[0], bad[-1] + 1))
        self._report(first_s, last_s, "not_a_number")
        clean = AudioFrame.from_ndarray(np.where(good, samples, 0), frame.format.name, frame.layout.name)
        clean.sample_rate = frame.sample_rate
        return clean

    def _report(self, start_s: float, end_s: float, reason: str) -> None:
        if end_s < self._from_s:
            return
        gap = Gap(round(start_s * 1000), max(round(end_s * 1000), round(start_s * 1000) + 1), reason)
        if self._on_gap is None:
            raise InvalidInput(
                f"{named(self._path)}: {_SENTENCES[reason]} from {start_s:.2f} s to {end_s:.2f} s",
                gap_start_ms=gap.start_ms,
                gap_end_ms=gap.end_ms,
            )
        last = self._open
        if last is not None and last.reason == reason and gap.start_ms - last.end_ms <= 1:
            self._open = Gap(last.start_ms, gap.end_ms, reason)
            return
        self.flush()
        self._open = gap


_SENTENCES = {
    "damaged": "damaged, sound cannot be decoded",
    "missing": "damaged or interrupted, the file has no sound",
    "truncated": "truncated, sound is missing",
    "not_a_number": "has samples that are not numbers",
}


def _zeros_like(frame: AudioFrame, length_s: float) -> Iterator[AudioFrame]:
    left = round(length_s * frame.sample_rate)
    while left > 0:
        samples = min(left, round(_ZEROS_AT_ONCE_S * frame.sample_rate))
        zeros = AudioFrame(frame.format.name, frame.layout.name, samples)
        for plane in zeros.planes:
            # Unsigned 8-bit samples have their zero in the middle.
            plane.update((b"\x80" if frame.format.name.startswith("u8") else b"\0") * plane.buffer_size)
        zeros.sample_rate = frame.sample_rate
        left -= samples
        yield zeros
