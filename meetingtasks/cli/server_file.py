"""The note by which a running fleet is found from another terminal in the same directory.

The file is locked as long as its writer lives, so a note that a killed process left behind is never believed. A note
of another user is not believed either: it could lead to that user's server.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final, Self

from meetingtasks.errors import MeetingTasksError

#: under the current directory
PLACE: Final = Path("var/run/server.json")


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """Where a running ``meetingtasks up`` has its server."""

    url: str
    pid: int


class AlreadyRunning(MeetingTasksError):
    """Another ``meetingtasks up``, or a demonstration, runs in this directory."""

    code = "already_running"


class ServerFile:
    """The note while it is held; a context manager: ``with ServerFile() as note: note.write(url)``."""

    def __init__(self, path: Path = PLACE) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the note's place; AlreadyRunning when another process holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)  # it holds a password
        file = os.fdopen(descriptor, "r+")
        if not _lock(file):
            text = file.read()
            file.close()
            raise AlreadyRunning(
                f"`meetingtasks up` or a demonstration already runs in this directory{_process(text)}; stop it first"
            )
        self._file = file
        return self

    def write(self, url: str) -> None:
        """Say where the server is."""
        assert self._file is not None  # noqa: S101 - used inside its with block only
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(RunningServer(url=url, pid=os.getpid())), self._file)
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        """Take the note away."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def find(path: Path = PLACE) -> RunningServer | None:
    """Return the server of the ``meetingtasks up`` that runs in this directory, or None."""
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_uid != os.getuid() or _lock(file, shared=True):
                return None
            return _read(file.read())
    except OSError:
        return None


def _lock(file: IO[str], *, shared: bool = False) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return True
    return False


def _read(text: str) -> RunningServer | None:
    with suppress(ValueError, TypeError, KeyError):  # it is being written just now
        note = json.loads(text)
        return RunningServer(url=str(note["url"]), pid=int(note["pid"]))
    return None


def _process(text: str) -> str:
    running = _read(text)
    return "" if running is None else f" (process {running.pid})"
