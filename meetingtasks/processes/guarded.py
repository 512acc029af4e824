"""A guarded child: a process that ends when its parent ends, even when the parent is killed with SIGKILL.

On Linux the kernel sends the child a signal (``PR_SET_PDEATHSIG``). It is bound to the *thread* that started the
child, so every guarded child is started by one thread that lives as long as the process. Elsewhere a watcher process
holds a pipe to the parent and acts when it breaks. Children lead their own session: Ctrl-C at the terminal reaches the
parent alone, which can then stop them in order. POSIX only.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Literal

Watch = Literal["kernel", "pipe"]
DEFAULT_WATCH: Watch = "kernel" if sys.platform == "linux" else "pipe"
LAUNCHER = Path(__file__).with_name("launcher.py")

Child = subprocess.Popen[bytes]


def spawn(
    command: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: int | IO[bytes] | None = None,
    keep_fds: Sequence[int] = (),
    umask: int = -1,
    watch: Watch = DEFAULT_WATCH,
) -> Child:
    """Start ``command`` so that it gets ``death_signal`` when this process ends, however that happens.

    Its standard input is empty, its output and error go to ``output`` (None: where this process's go), the file
    descriptors in ``keep_fds`` stay open in it, ``umask`` -1 is this process's. A command that cannot
    be run shows as exit code 127.
    """
    arguments = [sys.executable, "-I", "-S", str(LAUNCHER), watch, str(os.getpid()), str(int(death_signal)), *command]

    def start() -> Child:
        return subprocess.Popen(  # noqa: S603 - the caller's own command, without a shell
            arguments,
            stdin=subprocess.PIPE if watch == "pipe" else subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            cwd=cwd,
            env=env,
            pass_fds=keep_fds,
            umask=umask,
            start_new_session=True,
        )

    return _spawner.run(start)


class _Spawner:
    """The one thread that starts children; made at the first use, and anew in a forked process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the thread: a forked process has a copy of this object but not the thread."""
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[tuple[Callable[[], Child], Future[Child]]] | None = None

    def run(self, start: Callable[[], Child]) -> Child:
        """Call ``start`` on the thread and hand on what it returns or raises."""
        answer: Future[Child] = Future()
        with self._lock:
            if self._requests is None:
                self._requests = queue.SimpleQueue()
                threading.Thread(target=self._serve, args=(self._requests,), name="spawner", daemon=True).start()
            self._requests.put((start, answer))
        return answer.result()

    @staticmethod
    def _serve(requests: queue.SimpleQueue[tuple[Callable[[], Child], Future[Child]]]) -> None:
        while True:
            start, answer = requests.get()
            try:
                answer.set_result(start())
            except BaseException as error:  # noqa: BLE001 - raised again where the child was asked for
                answer.set_exception(error)
            del start, answer  # a child that nobody holds must not be held here


_spawner = _Spawner()
os.register_at_fork(after_in_child=_spawner.reset)
