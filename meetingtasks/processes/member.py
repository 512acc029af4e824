"""One program of a running group: its process, the thread that copies its output, the thread that waits for its end."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.processes.guarded import Child, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from meetingtasks.processes.output import Output
    from meetingtasks.processes.program import Program

LAST_WORDS_WITHIN_S = 1.0


class Member:
    """A program and its present process; ``on_end(member, exit_code)`` is called from a thread when that ends.

    A process that was ended by a signal has the signal's negated number as exit code, as in `subprocess`.
    """

    def __init__(
        self, program: Program, output: Output, on_end: Callable[[Member, int], None], clock: Clock = SYSTEM
    ) -> None:
        self.program = program
        self.crashes = 0
        self.start_again_at_s: float | None = None
        self._output = output
        self._on_end = on_end
        self._clock = clock
        self._process: Child | None = None
        self._started_s = 0.0

    @property
    def pid(self) -> int | None:
        """The number of the running process, None when there is none."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether its process has been started and its end not yet been noticed."""
        return self._process is not None

    @property
    def ran_s(self) -> float:
        """Seconds since the last start."""
        return self._clock.monotonic_s() - self._started_s

    def start(self) -> None:
        """Start the process and the two threads that follow it."""
        self.start_again_at_s = None
        self._started_s = self._clock.monotonic_s()
        self._process = spawn(
            self.program.command,
            cwd=self.program.directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.environment},
            output=subprocess.PIPE,
        )
        name = self.program.name
        copier = threading.Thread(target=self._copy, args=(self._process,), name=f"{name} output", daemon=True)
        copier.start()
        threading.Thread(target=self._wait, args=(self._process, copier), name=f"{name} end", daemon=True).start()

    def ask_to_end(self) -> None:
        """Send the stop signal."""
        if self._process is not None:
            self._process.send_signal(self.program.stop_signal)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def forget_process(self) -> None:
        """Note that the process has ended; called by whoever handles ``on_end``."""
        self._process = None

    def say(self, text: str) -> None:
        """Write a line about the program beside its own."""
        self._output.line(self.program.name, text)

    def _copy(self, process: Child) -> None:
        if process.stdout is not None:
            self._output.copy(self.program.name, process.stdout)

    def _wait(self, process: Child, copier: threading.Thread) -> None:
        code = process.wait()
        copier.join(LAST_WORDS_WITHIN_S)  # not longer: a grandchild may hold the pipe open
        self._on_end(self, code)
