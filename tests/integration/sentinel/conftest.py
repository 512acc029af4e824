"""Servers under sentinels: see ``tests/support/sentinels.py``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sentinels import Sentinels


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    """Run a master, a replica and three sentinels that this test may kill."""
    with Sentinels(tmp_path) as running:
        yield running
