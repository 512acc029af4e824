"""Starts the private server of ``meetingtasks up`` again when it has died; what it had accepted is on its disk."""

from __future__ import annotations

import os
import threading
from typing import Final, Self

from meetingtasks.cli import output
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import EmbeddedServerError

LOOK_EVERY_S: Final = 0.5


class ServerGuard:
    """Looks twice a second, in a thread of its own, whether the server's process has ended; a context manager."""

    def __init__(self, server: EmbeddedServer, *, every_s: float = LOOK_EVERY_S) -> None:
        self._server = server
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="server guard", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more: from now on the server may end."""
        self._stopping.set()
        self._thread.join()

    def run_once(self) -> bool:
        """Start the server again if it has ended; True when it had."""
        if not _has_ended(self._server.pid):
            return False
        output.note("the server has ended by itself; starting it again on the same data")
        self._server.restart()
        return True

    def _watch(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.run_once()
            except EmbeddedServerError as error:
                output.note(f"the server cannot be started again: {error.message}")
                return


def _has_ended(pid: int) -> bool:
    try:
        # the exit code stays there for whoever started the process
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
