"""The moment at which a pool process must be ended: written by the process itself, read by its guardian and its worker.

It is a file of eight bytes under the process' number, mapped into memory: a running task may move its limit as often as
it likes without a system call. Times are of the monotonic clock, which the processes of a machine share.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from pathlib import Path

from meetingtasks.limits.guardian import MOMENT


class EndTime:
    """This process' own moment."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(MOMENT.size))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), MOMENT.size)

    def post(self, end_s: float | None) -> None:
        """Set it; None: the process is not to be ended."""
        MOMENT.pack_into(self._memory, 0, 0.0 if end_s is None else end_s)


def read(file: Path) -> float | None:
    """Return another process' moment, None without one."""
    with suppress(FileNotFoundError):
        content = file.read_bytes()
        if len(content) >= MOMENT.size:
            return MOMENT.unpack_from(content)[0] or None
    return None
