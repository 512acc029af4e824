"""Real processes under test: started, read while they run, and gone when the test ends."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


class RunningProcess:
    """A child in a session of its own; its standard output and error are collected line by line."""

    def __init__(self, command: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
        self._lines: list[str] = []
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        """Everything printed until now."""
        return "".join(self._lines)

    def wait_for_line(self, part: str, within_s: float = 20.0) -> str:
        """Return the first line that contains ``part``, as soon as it is printed."""

        def found() -> str:
            ended = self.popen.poll() is not None and not self._reader.is_alive()
            line = next((line for line in self._lines if part in line), "")
            if ended and not line:
                raise RuntimeError(f"ended with {self.popen.returncode} without {part!r}; its output:\n{self.output}")
            assert line, f"not yet {part!r}; the output so far:\n{self.output}"
            return line

        return eventually(found, within_s)

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, within_s: float = 20.0) -> int:
        """Return the exit code, with all output collected."""
        code = self.popen.wait(within_s)
        self._reader.join(within_s)
        return code

    def close(self) -> None:
        """End the process's whole session, however far it got."""
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self._reader.join(5)
        if self.popen.stdout is not None and not self._reader.is_alive():
            self.popen.stdout.close()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.append(line)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not status.parent.parent.exists()  # not Linux: the signal's answer stands
