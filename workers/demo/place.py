"""Where a demonstration has its server, its files and its log: a temporary directory, or one that is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meetingtasks.clock import SYSTEM, to_datetime

#: results of every demonstration are copied below it, under the run's id
RESULTS: Final = Path("var/demo")
LARGEST_BYTES: Final = 4 * 1024**3


@dataclass(frozen=True)
class Place:
    """The directories of one demonstration."""

    root: Path

    @property
    def server(self) -> Path:
        """The server's data."""
        return self.root / "server"

    @property
    def storage(self) -> Path:
        """Recordings and results."""
        return self.root / "storage"

    @property
    def log(self) -> Path:
        """What the workers print."""
        return self.root / "workers.log"


@contextmanager
def place(*, keep: bool) -> Iterator[Place]:
    """Make the directories; they are removed at the end unless they are to be kept (then in var/demo-TIME)."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="meetingtasks-demo-") as temporary:
            yield Place(Path(temporary))
        return
    stamp = to_datetime(SYSTEM.now_ms()).strftime("%Y%m%dT%H%M%S.%fZ")
    root = Path(f"var/demo-{stamp}").absolute()
    root.mkdir(parents=True, mode=0o700)
    yield Place(root)
