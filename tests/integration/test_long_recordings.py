"""Two hours of sound in flat memory, and a cancellation that is heard at once."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.media_samples import PEAK_MIB, wav_bytes
from workers.engines.denoise import denoise
from workers.engines.errors import Cancelled
from workers.engines.media.decode import decode_to_wav
from workers.engines.media.split import split_audio

RATE = 8_000
HOURS = 2

PROGRAM = f"""
{PEAK_MIB}
import json, sys
from pathlib import Path
from workers.engines.denoise import denoise
from workers.engines.media.decode import open_audio
from workers.engines.media.probe import probe
from workers.engines.media.split import split_audio

path, out = Path(sys.argv[1]), Path(sys.argv[2])
before = peak_mib()
facts = dict(probed_ms=probe(path).duration_ms)
facts["samples"] = sum(len(block) for block in open_audio(path))
facts["denoised_ms"] = denoise(path, out / "clean.wav").duration_ms
facts["chunks"] = len(split_audio(path, out / "chunks"))
facts["grown_mib"] = peak_mib() - before
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two hours of a voice-like buzz that comes and goes, in noise: 115 MB of telephone sound."""
    random = np.random.default_rng(1)
    seconds = np.arange(RATE * 60) / RATE
    buzz = 4000 * np.sin(2 * np.pi * 180 * seconds) * (np.sin(2 * np.pi * 3 * seconds) > 0) * (seconds % 10 < 7)
    minute = (buzz + random.normal(0, 100, len(buzz))).astype("<i2").tobytes()
    path = tmp_path_factory.mktemp("long") / "two-hours.wav"
    header = wav_bytes(b"", rate=RATE, claimed_bytes=len(minute) * 60 * HOURS)
    with path.open("wb") as file:
        file.write(header)
        for _ in range(60 * HOURS):
            file.write(minute)
    return path


@pytest.mark.timeout(300)
def test_two_hours_take_flat_memory(recording: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(recording), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    facts = json.loads(done.stdout)
    assert facts["probed_ms"] == facts["denoised_ms"] == HOURS * 3_600_000
    assert facts["samples"] == pytest.approx(HOURS * 3600 * 16_000, abs=40)
    assert facts["chunks"] > HOURS * 60
    assert facts["grown_mib"] < 150


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda path, out, stop: decode_to_wav(path, out / "o.wav", cancelled=stop), id="decode"),
        pytest.param(lambda path, out, stop: denoise(path, out / "o.wav", cancelled=stop), id="denoise"),
        pytest.param(lambda path, out, stop: split_audio(path, out / "chunks", cancelled=stop), id="split"),
    ],
)
def test_a_cancellation_is_heard_at_once_and_leaves_nothing(
    recording: Path, tmp_path: Path, work: Callable[[Path, Path, Callable[[], bool]], object]
) -> None:
    until_s = time.monotonic() + 0.3
    with pytest.raises(Cancelled):
        work(recording, tmp_path, lambda: time.monotonic() > until_s)
    assert time.monotonic() - until_s < 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
