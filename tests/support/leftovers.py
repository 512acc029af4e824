"""Who is still running of what a test has started, however indirectly."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.eventually import eventually


@contextmanager
def marked(directory: Path) -> Iterator[tuple[dict[str, str], Callable[[], list[int]]]]:
    """Give variables to start a process with, and a function that finds it and all its descendants (Linux only).

    A process belongs to them by that mark in its environment, or because it works under ``directory``: a server that
    writes its title over its environment has no mark any more.
    """
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to find what was left running")
    name, value = "STARTED_BY_TEST", uuid4().hex
    mark = f"{name}={value}".encode()

    def alive() -> list[int]:
        numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in numbers if pid != os.getpid() and _belongs(Path(f"/proc/{pid}"), mark, directory)]

    yield {name: value}, alive


def nobody_left(alive: Callable[[], list[int]], within_s: float = 10.0) -> None:
    """Wait until all of them have gone."""
    eventually(lambda: not alive(), within_s)


def _belongs(process: Path, mark: bytes, directory: Path) -> bool:
    with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
        if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        if (process / "cwd").readlink().is_relative_to(directory.resolve()):
            return True
        return mark in (process / "environ").read_bytes().split(b"\0")
    return False
