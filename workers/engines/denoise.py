"""Noise taken out of a recording of speech, with the figures that show what was gained.

``gate`` (what ``auto`` chooses) measures the noise per frequency and follows it; ``afftdn`` is FFmpeg's filter, for
hiss; ``none`` only converts. The output has exactly the length and the timing of the input.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workers.engines.errors import InvalidInput
from workers.engines.media.afftdn import REDUCTION_RANGE_DB, afftdn
from workers.engines.media.command import answer
from workers.engines.media.decode import open_audio
from workers.engines.media.files import replacing, sha256_of
from workers.engines.media.level import QUIETEST_DB, NoiseFloor
from workers.engines.media.limits import DEFAULT_LIMITS, Limits, PcmLayout
from workers.engines.media.noise_gate import gated
from workers.engines.media.noise_profile import noise_profiles
from workers.engines.media.stft import WindowedStream
from workers.engines.media.wav import WavWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from workers.engines.media.info import Gap

METHODS = ("auto", "afftdn", "gate", "none")


@dataclass(frozen=True, slots=True)
class Denoised:
    """What was written: levels in dBFS, ``method`` as it was used (never ``auto``)."""

    floor_before_db: float
    floor_after_db: float
    duration_ms: int
    bytes: int
    sha256: str
    method: str


def denoise(
    path: Path,
    out: Path,
    *,
    method: str = "auto",
    noise_reduction_db: float = 12,
    noise_floor_db: float | None = None,
    target_rate: int = 16_000,
    cancelled: Callable[[], bool] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_gap: Callable[[Gap], None] | None = None,
    pcm: PcmLayout | None = None,
) -> Denoised:
    """Write the first sound track of ``path`` to ``out`` as 16-bit mono WAV at ``target_rate`` Hz, with less noise.

    ``noise_reduction_db``: by how much noise is lowered at most, 0.01 to 97. ``noise_floor_db``: the level of the
    noise in dBFS, ``None``: measured (the 10th percentile of the levels of 20 ms frames). The file is read twice and
    never held; ``out`` appears complete or not at all. Raises ``InvalidInput`` (``options_invalid``, and what
    ``open_audio`` raises), ``OutOfResource``, ``Cancelled``.
    """
    _check(method, noise_reduction_db, noise_floor_db)
    used = "gate" if method == "auto" else method

    def blocks(heard: Callable[[Gap], None] | None) -> Iterator[NDArray[np.int16]]:
        return open_audio(path, rate=target_rate, limits=limits, cancelled=cancelled, on_gap=heard, pcm=pcm)

    measured = _measure(blocks(on_gap), target_rate, with_profiles=used == "gate")
    noisy = blocks(None if on_gap is None else _told_already)
    floor_db = measured.floor_db if noise_floor_db is None else noise_floor_db
    if used == "gate":
        clean = _gate(noisy, measured, target_rate, floor_db=floor_db, reduction_db=noise_reduction_db)
    elif used == "afftdn":
        clean = afftdn(noisy, target_rate, floor_db=floor_db, reduction_db=noise_reduction_db)
    else:
        clean = noisy
    after = NoiseFloor(target_rate)
    with replacing(out) as partial:
        with partial.open("xb") as file:
            writer = WavWriter(file, rate=target_rate, channels=1)
            for block in clean:
                after.add(block)
                writer.write(block)
            duration_ms = writer.finish()
        size_bytes, digest = partial.stat().st_size, sha256_of(partial, cancelled=cancelled)
    return Denoised(measured.floor_db, after.level_db(), duration_ms, size_bytes, digest, used)


@dataclass(frozen=True, slots=True)
class _Measured:
    samples: int
    floor_db: float
    profiles: NDArray[np.float32] | None


def _check(method: str, noise_reduction_db: float, noise_floor_db: float | None) -> None:
    if method not in METHODS:
        raise InvalidInput(f"method {method!r} is none of {', '.join(METHODS)}", code="options_invalid")
    low, high = REDUCTION_RANGE_DB
    if not low <= noise_reduction_db <= high:
        raise InvalidInput(f"noise reduction {noise_reduction_db} dB is outside {low}..{high}", code="options_invalid")
    if noise_floor_db is not None and not QUIETEST_DB <= noise_floor_db <= 0:
        raise InvalidInput(f"noise floor {noise_floor_db} dB is outside {QUIETEST_DB}..0", code="options_invalid")


def _told_already(gap: Gap) -> None:
    """Do nothing: the first pass reported every gap, and the second meets the same ones."""


def _measure(blocks: Iterable[NDArray[np.int16]], rate: int, *, with_profiles: bool) -> _Measured:
    floor = NoiseFloor(rate)
    samples = 0

    def counted() -> Iterator[NDArray[np.int16]]:
        nonlocal samples
        for block in blocks:
            samples += len(block)
            floor.add(block)
            yield block

    profiles = None
    if with_profiles:
        profiles = noise_profiles(WindowedStream(rate).spectra(counted()))
    else:
        for _ in counted():
            pass
    return _Measured(samples, floor.level_db(), profiles)


def _gate(
    blocks: Iterable[NDArray[np.int16]], measured: _Measured, rate: int, *, floor_db: float, reduction_db: float
) -> Iterator[NDArray[np.int16]]:
    if measured.profiles is None:
        raise AssertionError("the gate needs the profiles of the first pass")
    stream = WindowedStream(rate)
    corrected = measured.profiles * np.float32(10 ** ((floor_db - measured.floor_db) / 10))
    return stream.samples(gated(stream.spectra(blocks), corrected, reduction_db), measured.samples)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m workers.engines.denoise IN OUT``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.denoise", description="Take noise out of speech.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="WAV file to write (16-bit mono)")
    parser.add_argument("--method", choices=METHODS, default="auto")
    parser.add_argument("--noise-reduction-db", type=float, default=12.0)
    parser.add_argument("--noise-floor-db", type=float, default=None, help="dBFS; measured when left out")
    parser.add_argument("--target-rate", type=int, default=16_000, help="Hz")
    parser.add_argument("--json", action="store_true", help="answer as one line of JSON")
    options = parser.parse_args(arguments)
    return answer(
        lambda: denoise(
            options.input,
            options.output,
            method=options.method,
            noise_reduction_db=options.noise_reduction_db,
            noise_floor_db=options.noise_floor_db,
            target_rate=options.target_rate,
        ),
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
