"""Recordings and fleets for the tests that run everything for real."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.processes import ROOT
from workers.engines.media.decode import decode_to_wav

#: where in the sample meeting the words "Go forward ten meters. Go somewhere and do something." are said
INSTRUCTIONS_MS = (29_000, 34_500)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet with a worker each for sound, media and meetings."""
    with Fleet(tmp_path_factory.mktemp("storage")) as running:
        for service in ("meeting", "media", "ai"):
            running.start(service)
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[Path, int, int], Path]:
    """Cut a stretch of a recording (by ms) into a WAV file of its own."""

    def cut(source: Path, start_ms: int, end_ms: int) -> Path:
        out = tmp_path / f"clip-{start_ms}-{end_ms}.wav"
        decode_to_wav(source, out, start_ms=start_ms, end_ms=end_ms)
        return out

    return cut


@pytest.fixture
def instructions(clip: Callable[[Path, int, int], Path]) -> Path:
    """Give a few seconds of real speech."""
    return clip(ROOT / "samples" / "meeting.flac", *INSTRUCTIONS_MS)
