"""Sound out of any media file: a stream of 16-bit blocks at the wanted rate, in flat memory however long the file is.

Sample n of what comes out belongs to the time n / rate after ``start_ms``, also in files with holes, late sound tracks
or odd first timestamps. What cannot be decoded is refused, or reported as a ``Gap`` to a caller who listens; it never
becomes silence unnoticed. Limits of that promise: MP3 and ADTS files hold no timestamps, so lost bytes in them
are reported but may shift what follows by the length of the loss; Ogg and ADTS files do not claim a length, so a
missing end cannot be told.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np

from workers.engines.errors import InvalidInput
from workers.engines.media.files import replacing, sha256_of
from workers.engines.media.guard import CancelPoll, border, named
from workers.engines.media.limits import DEFAULT_LIMITS, Limits, PcmLayout
from workers.engines.media.probe import describe
from workers.engines.media.resample import LAYOUTS, can_be_resampled, resampled, shape_of
from workers.engines.media.source import Source, open_source
from workers.engines.media.timeline import Timeline
from workers.engines.media.wav import WavWriter, claimed_wav_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from av import AudioFrame
    from av.audio.stream import AudioStream
    from numpy.typing import NDArray

    from workers.engines.media.info import Gap

BLOCK_S = 0.5
# Formats in which seeking is exact enough; in the others decoding starts at the beginning.
_SEEKABLE = ("wav", "flac", "mov", "matroska", "ogg")
# Codecs that build on earlier packets need a run-up after a seek (Opus asks for 80 ms, AAC for two frames).
_RUN_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """A WAV file that was written; ``gaps`` are the parts that the source did not hold."""

    path: Path
    duration_ms: int
    size_bytes: int
    sha256: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    rate: int
    channels: int
    start_ms: int
    end_ms: int | None


def open_audio(
    path: Path,
    *,
    rate: int = 16_000,
    channels: int = 1,
    start_ms: int = 0,
    end_ms: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    pcm: PcmLayout | None = None,
) -> Generator[NDArray[np.int16]]:
    """Decode the first sound track of ``path`` between ``start_ms`` and ``end_ms`` (``None``: to the end).

    Yields int16 blocks of half a second (the last one is shorter), shape ``(n,)`` for one channel, ``(n, 2)`` for
    two; more channels are mixed down. The file is opened and checked before this function returns.

    ``on_gap`` makes damage tolerable: it is called with each ``Gap``, whose place holds zeros. Without it, damage
    raises. ``pcm`` reads headerless samples.

    Raises ``InvalidInput`` (``media_not_found``, ``media_too_large``, ``media_invalid`` with "no audio stream" and
    so on), ``OutOfResource``, ``Cancelled``; during the iteration too.
    """
    _check_options(rate, channels, start_ms, end_ms)
    wanted = _Wanted(rate, channels, start_ms, end_ms)
    blocks = _stream(path, wanted, limits=limits, poll=CancelPoll(cancelled), on_gap=on_gap, pcm=pcm)
    next(blocks)  # opens and checks the file; see _stream
    return blocks


def decode_to_wav(
    path: Path,
    out: Path,
    *,
    rate: int = 16_000,
    channels: int = 1,
    start_ms: int = 0,
    end_ms: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    pcm: PcmLayout | None = None,
) -> Decoded:
    """Write the sound of ``path`` as 16-bit WAV to ``out``, which appears complete or not at all.

    Arguments and errors as for ``open_audio``, and ``OutOfResource`` when the disk is full.
    """
    gaps: list[Gap] = []

    def note(gap: Gap) -> None:
        gaps.append(gap)
        if on_gap is not None:
            on_gap(gap)

    blocks = open_audio(
        path,
        rate=rate,
        channels=channels,
        start_ms=start_ms,
        end_ms=end_ms,
        limits=limits,
        cancelled=cancelled,
        on_gap=note if on_gap is not None else None,
        pcm=pcm,
    )
    with replacing(out) as partial:
        with partial.open("xb") as file:
            writer = WavWriter(file, rate=rate, channels=channels)
            for block in blocks:
                writer.write(block)
            duration_ms = writer.finish()
        size_bytes, digest = partial.stat().st_size, sha256_of(partial, cancelled=cancelled)
    return Decoded(out, duration_ms, size_bytes, digest, tuple(gaps))


def _check_options(rate: int, channels: int, start_ms: int, end_ms: int | None) -> None:
    if not 1_000 <= rate <= 384_000:  # noqa: PLR2004 - Hz
        raise InvalidInput(f"sample rate {rate} Hz is outside 1000..384000", code="options_invalid")
    if channels not in LAYOUTS:
        raise InvalidInput(f"{channels} output channels: 1 or 2 can be made", code="options_invalid")
    if start_ms < 0 or (end_ms is not None and end_ms <= start_ms):
        raise InvalidInput(f"no time between {start_ms} ms and {end_ms} ms", code="options_invalid")


def _sound_track(source: Source) -> AudioStream:
    for stream in source.container.streams.audio:
        if stream.codec_context is not None and stream.codec_context.sample_rate > 0:
            stream.codec_context.thread_count = 1  # a sound decoder gains nothing from more
            return stream
    raise InvalidInput(f"{named(source.path)}: no audio stream")


def _stream(
    path: Path,
    wanted: _Wanted,
    *,
    limits: Limits,
    poll: CancelPoll,
    on_gap: Callable[[Gap], None] | None,
    pcm: PcmLayout | None,
) -> Generator[NDArray[np.int16]]:
    """Open the file, yield one empty block as the sign that it is good, then the sound.

    Being one generator, it closes the file however it ends: used up, failed or thrown away.
    """
    with open_source(path, limits, pcm=pcm) as source:
        describe(source, limits)
        track = _sound_track(source)
        origin_s = _origin_s(source, track)
        yield np.zeros(0, dtype=np.int16)
        timeline = Timeline(
            path,
            origin_s=origin_s,
            from_s=wanted.start_ms / 1000,
            longest_s=limits.max_duration_ms / 1000,
            on_gap=on_gap,
        )
        with border(path, "decoding"):
            _seek(source, track, origin_s + wanted.start_ms / 1000)
            frames = _frames(source, track, timeline, poll)
            samples = resampled(frames, wanted.rate, wanted.channels)
            yield from _regrouped(_cut(samples, timeline, wanted), round(wanted.rate * BLOCK_S))
            timeline.flush()


def _origin_s(source: Source, track: AudioStream) -> float:
    """Return the timestamp that is time zero: the file's first one when there is a picture to stay level with."""
    container = source.container
    if container.streams.video and container.start_time is not None:
        return container.start_time / av.time_base
    if track.start_time is None or track.time_base is None:
        return 0.0
    return float(track.start_time * track.time_base)


def _claimed_s(source: Source, track: AudioStream) -> float | None:
    """How long the sound should be, where the format's claim is reliable."""
    if source.format == "wav" and source.pcm is None:
        claimed_ms = claimed_wav_ms(source.head)
        return None if claimed_ms is None else claimed_ms / 1000
    tagged_mp3 = source.format == "mp3" and (b"Xing" in source.head or b"Info" in source.head)
    if source.format in ("mov", "flac") or tagged_mp3:
        return float(track.duration * track.time_base) if track.duration and track.time_base else None
    alone = len(source.container.streams) == 1
    if source.format == "matroska" and alone and source.container.duration:
        return source.container.duration / av.time_base
    return None


def _seek(source: Source, track: AudioStream, to_s: float) -> None:
    if to_s > _RUN_UP_S and source.format in _SEEKABLE and track.time_base is not None:
        source.container.seek(round((to_s - _RUN_UP_S) / track.time_base), stream=track)


def _frames(source: Source, track: AudioStream, timeline: Timeline, poll: CancelPoll) -> Iterator[AudioFrame]:
    """Yield the decoded frames in their places; packets that cannot be decoded are noted in the timeline."""
    may_be_nan = track.codec_context.name.startswith("pcm_f")
    usable: dict[tuple[str, str, int], bool] = {}
    for packet in source.container.demux(track):
        poll()
        try:
            decoded = packet.decode()
        except av.error.FFmpegError as error:  # decoders answer damage with many codes, not only "invalid data"
            if error.errno == errno.ENOMEM:
                raise
            timeline.damage()
            continue
        for frame in decoded:
            shape = shape_of(frame)
            if shape not in usable:
                usable[shape] = can_be_resampled(frame)
            if usable[shape]:
                yield from timeline.place(frame, may_be_nan=may_be_nan)
            else:
                timeline.damage()
    timeline.finish(_claimed_s(source, track))


def _cut(samples: Iterator[NDArray[np.int16]], timeline: Timeline, wanted: _Wanted) -> Iterator[NDArray[np.int16]]:
    """Yield the wanted part; a sound track that starts late is preceded by zeros."""
    start = wanted.start_ms * wanted.rate // 1000
    end = None if wanted.end_ms is None else wanted.end_ms * wanted.rate // 1000
    position: int | None = None
    for block in samples:
        if position is None:
            position = round((timeline.first_s or 0.0) * wanted.rate)
            yield from _late(position - start, wanted)
        first = max(start - position, 0)
        last = len(block) if end is None else end - position
        if first < len(block) and last > first:
            yield block[first:last]
        position += len(block)
        if end is not None and position >= end:
            return


def _late(samples: int, wanted: _Wanted) -> Iterator[NDArray[np.int16]]:
    while samples > 0:
        yield np.zeros((min(samples, wanted.rate), wanted.channels), dtype=np.int16)
        samples -= wanted.rate


def _regrouped(blocks: Iterator[NDArray[np.int16]], size: int) -> Iterator[NDArray[np.int16]]:
    """Blocks of ``size`` samples, the last one shorter; one channel loses its second axis."""
    waiting: list[NDArray[np.int16]] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += len(block)
        if held < size:
            continue
        joined = np.concatenate(waiting)
        whole = held - held % size
        for at in range(0, whole, size):
            yield _flat(joined[at : at + size])
        waiting, held = [joined[whole:]], held - whole
    if held:
        yield _flat(np.concatenate(waiting))


def _flat(block: NDArray[np.int16]) -> NDArray[np.int16]:
    return block[:, 0] if block.shape[1] == 1 else block
