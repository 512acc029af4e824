"""A pool process under the eyes of a guardian: the worker's side, which starts it, and the pool process' own.

The worker makes a directory and starts the guardian before its pool; each pool process puts its file there as the
first thing it does. A guardian that is killed is started anew.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from meetingtasks.limits import end_time, guardian
from meetingtasks.limits.end_time import EndTime

log = logging.getLogger(__name__)

#: where a hard limit can be kept by a guardian; elsewhere Celery's own, which cannot be extended, holds
IS_SUPPORTED: Final = sys.platform == "linux"


class PoolGuardian:
    """The guardian of one worker's pool."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._own: EndTime | None = None

    # -- in the worker ----------------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether this worker's pool has a guardian."""
        return self._directory is not None

    def start(self) -> None:
        """Start it, before the pool's first process."""
        if self.is_on:
            return
        self._directory = Path(tempfile.mkdtemp(prefix="meetingtasks-pool-"))
        self._process = self._spawn(self._directory)
        threading.Thread(target=self._keep, args=(self._directory,), name="guardian-keeper", daemon=True).start()

    def stop(self) -> None:
        """Let it end what the pool has left, and end itself."""
        process, self._directory = self._process, None
        if process is not None:
            process.terminate()

    def end_at_s(self, pid: int) -> float | None:
        """Return when a pool process must be ended; None: not at all."""
        return None if self._directory is None else end_time.read(self._directory / str(pid))

    def has_ended(self, pid: int) -> bool:
        """Tell, once, whether the guardian ended this pool process because it was past its hard limit."""
        if self._directory is None:
            return False
        note = self._directory / f"{guardian.ENDED}{pid}"
        if not note.exists():
            return False
        note.unlink()
        return True

    def _keep(self, directory: Path) -> None:
        while True:
            process = self._process
            if process is None:
                return
            code = process.wait()
            if self._directory != directory:
                return
            log.warning("the pool's guardian has ended; starting it anew", extra={"code": code})
            self._process = self._spawn(directory)

    @staticmethod
    def _spawn(directory: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guardian.__file__, str(directory), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # a signal to the worker's group is not meant for it
        )

    # -- in the pool process ----------------------------------------------------------------------------------------

    def join(self) -> None:
        """Put this pool process under the guardian; whatever it starts from now on carries its mark."""
        if self._directory is not None:
            file = self._directory / str(os.getpid())
            self._own = EndTime(file)
            os.environ[guardian.MARK] = str(file)

    def post(self, end_s: float | None) -> None:
        """Say when this pool process must be ended."""
        if self._own is not None:
            self._own.post(end_s)

    def end_children_since(self, born_s: float) -> None:
        """Kill what this pool process has started since a moment of the system's boot clock."""
        if self._own is not None:
            guardian.end_started_since(os.getpid(), os.environ[guardian.MARK], born_s)


GUARDIAN: Final = PoolGuardian()
