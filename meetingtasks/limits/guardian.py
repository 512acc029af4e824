"""The guardian of a worker's pool processes: ends one that is past its hard limit, and all that a dead one leaves.

Started as a file of its own (``python -I -S guardian.py <directory> <worker's pid>``), so it imports none of the
package and lives on when the worker is killed. Each pool process has a file in the directory, named by its number, that
holds the moment at which it must be ended (see `end_time`). Every tenth of a second the guardian looks:

* past its moment: the process is stopped, so that it can neither end nor start anything meanwhile, ``ended.<pid>`` is
  written for the worker, then its descendants and the process itself are killed;
* the process is gone: what it had started is killed. Nobody is the parent of that any more, whatever session it is in,
  so the guardian remembers whom it has seen, and looks for the mark that programs inherit in their environment;
* the worker is gone, or asks by SIGTERM: all of that for every pool process, and the guardian ends too.

Linux only: it reads ``/proc``.
"""

import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: the environment variable that every program started by a pool process inherits; its value is that process' file
MARK = "MEETINGTASKS_POOL_PROCESS"
ENDED = "ended."
MOMENT = struct.Struct("=d")  # of the monotonic clock, which all processes share; 0: there is none
TICK_S = 0.1
SWEEP_S = 0.02
MOST_SWEEPS = 50  # a process in the midst of a device's work dies when that is done

_PROC = Path("/proc")
_DEAD = "ZX"


class PoolProcess:
    """One pool process: its file, and what it has started."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.pid = int(file.name)
        self.born = stat(self.pid)[1]
        self._started: dict[int, str] = {}  # number -> birth

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return not is_alive(self.pid, self.born)

    @property
    def is_overdue(self) -> bool:
        """Whether it is past the moment in its file."""
        with suppress(FileNotFoundError):
            content = self.file.read_bytes()
            if len(content) >= MOMENT.size:
                end_s: float = MOMENT.unpack_from(content)[0]
                return 0 < end_s <= time.monotonic()
        return False

    def look(self) -> None:
        """Remember what it has started by now."""
        self._started = {pid: born for pid, born in self._started.items() if is_alive(pid, born)}
        if not self.is_gone:
            self._started |= {pid: stat(pid)[1] for pid in descendants(self.pid)}

    def end_overdue(self) -> None:
        """End it and what it has started, unless it came to its end, or got more time, before it stopped."""
        kill(self.pid, signal.SIGSTOP)
        if self.is_overdue:
            self.file.with_name(ENDED + self.file.name).touch()
            self.end()
        else:
            kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill what it has started, and itself if it is there."""
        sweep(self._all_started)
        if not self.is_gone:
            kill(self.pid)

    def _all_started(self) -> set[int]:
        self.look()
        return {*self._started, *marked(str(self.file))} - {self.pid, os.getpid()}


def main(directory: Path, worker: int) -> None:
    """Watch until the worker has gone or asks to stop, then leave nothing behind."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    known: dict[Path, PoolProcess] = {}
    while os.getppid() == worker and not asked:
        watch(directory, known)
        time.sleep(TICK_S)  # its own pace: nothing else happens in this process
    watch(directory, known)
    for process in known.values():
        process.end()
    shutil.rmtree(directory, ignore_errors=True)


def watch(directory: Path, known: dict[Path, PoolProcess]) -> None:
    """Look once at every pool process, and do what is due."""
    for file in directory.iterdir():
        if file.name.isdigit() and file not in known:
            known[file] = PoolProcess(file)
    for file, process in list(known.items()):
        if process.is_gone:
            del known[file]
            process.file.unlink(missing_ok=True)
            process.end()
        elif process.is_overdue:
            process.end_overdue()
        else:
            process.look()


def end_started_since(pid: int, mark: str, moment_s: float) -> None:
    """Kill what a pool process has started since a moment of the system's boot clock."""
    soonest = int(moment_s * os.sysconf("SC_CLK_TCK"))  # births are told in these ticks

    def started_since() -> set[int]:
        return {one for one in {*descendants(pid), *marked(mark)} - {pid} if int(stat(one)[1]) >= soonest}

    sweep(started_since)


def sweep(find: Callable[[], set[int]]) -> None:
    """Kill whom ``find`` finds until it finds nobody: what dies may start something still."""
    for _ in range(MOST_SWEEPS):
        found = {pid for pid in find() if stat(pid)[0] not in _DEAD}
        for pid in found:
            kill(pid)
        if not found:
            break
        time.sleep(SWEEP_S)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that these have."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = [child for child in children(waiting.pop()) if child not in found]
        found.update(new)
        waiting += new
    return found


def children(pid: int) -> list[int]:
    """Return the children of a process, whichever of its threads has started them."""
    with suppress(OSError):
        threads = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for thread in threads for child in _text(thread / "children").split()]
    return []


def marked(mark: str) -> set[int]:
    """Return the processes whose program inherited a mark."""
    wanted = f"{MARK}={mark}"
    programs = (directory for directory in _PROC.iterdir() if directory.name.isdigit())
    return {int(program.name) for program in programs if wanted in _text(program / "environ").split("\0")}


def is_alive(pid: int, born: str) -> bool:
    """Tell whether a process lives, and is not a later one of the same number."""
    state, found = stat(pid)
    return state not in _DEAD and found == born


def stat(pid: int) -> tuple[str, str]:
    """Return a process' state (``X``: it is gone) and birth."""
    # the name, in parentheses, may hold spaces and parentheses itself
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (fields[0], fields[19]) if fields else ("X", "0")


def _text(file: Path) -> str:
    """Read a file of /proc; empty when its process is gone or somebody else's."""
    with suppress(OSError):
        return file.read_text("utf-8", "replace")
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
