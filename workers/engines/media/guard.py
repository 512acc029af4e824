"""The border to FFmpeg and the file system: their exceptions become the engines' errors, with the file named."""

from __future__ import annotations

import errno
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av.error

from workers.engines.errors import Cancelled, InvalidInput, OutOfResource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The caller's question may cost a round trip to a server, so it is not asked for every packet; 0.1 s keeps the
# answer well inside the half second that callers are promised.
_POLL_S = 0.1

_EXHAUSTED = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ENOMEM: "out of memory",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.EFBIG: "the file grew beyond what the file system allows",
    errno.EIO: "the disk reports an input/output error",
}


def named(path: Path) -> str:
    """Return the file's name as one printable line, for messages: a name never forges a log line."""
    return one_line(path.name or str(path))


def one_line(text: str, *, limit: int = 200) -> str:
    """``text`` with unprintable characters escaped, at most ``limit`` characters."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


@contextmanager
def border(path: Path, doing: str) -> Iterator[None]:
    """Translate what FFmpeg or the system raise while ``doing`` something with ``path``.

    Raises ``OutOfResource`` for a full disk and its like, ``InvalidInput`` for everything that is the file's fault.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfResource(f"{named(path)}: out of memory while {doing}") from error
    except (av.error.FFmpegError, OSError) as error:
        why = _EXHAUSTED.get(error.errno or 0)
        if why is not None:
            raise OutOfResource(f"{named(path)}: {why} while {doing}") from error
        raise InvalidInput(f"{named(path)}: {doing} failed: {reason_of(error)}") from error


def reason_of(error: av.error.FFmpegError | OSError) -> str:
    """FFmpeg's or the system's own words, without numbers and file names."""
    return (error.strerror or str(error)).strip()


class CancelPoll:
    """Asks the caller's ``cancelled`` at most every 0.1 s; calling it raises ``Cancelled`` once the answer is yes."""

    def __init__(self, cancelled: Callable[[], bool] | None) -> None:
        self._cancelled = cancelled
        self._asked_at_s = float("-inf")

    def __call__(self) -> None:
        """Raise ``Cancelled`` when the caller wants to stop."""
        if self._cancelled is None:
            return
        now_s = time.monotonic()
        if now_s - self._asked_at_s < _POLL_S:
            return
        self._asked_at_s = now_s
        if self._cancelled():
            raise Cancelled("cancelled by the caller")
