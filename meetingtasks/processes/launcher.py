"""What runs in a guarded child before its real program: it arranges the child's end, then becomes that program.

Started as a file of its own (``python -I -S launcher.py kernel 4711 9 program argument…``), so it imports none of the
package and costs about 15 ms. The process keeps its number when it becomes the program.
"""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
CANNOT_EXECUTE = 127  # what a shell answers for a command that it cannot run
PARENT_GONE = 126
POLL_S = 0.5
GRACE_S = 5.0


def main(arguments: list[str]) -> None:
    """Take ``watch parent_pid death_signal program [argument…]``; return never, or exit with 126 or 127."""
    watch, parent, death_signal, *command = arguments
    if watch == "kernel":
        end_by_kernel(int(death_signal))
    else:
        end_by_watcher(int(parent), int(death_signal))
    if os.getppid() != int(parent):  # it died before it was being watched
        sys.exit(PARENT_GONE)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the caller's own command, without a shell
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(CANNOT_EXECUTE)


def end_by_kernel(death_signal: int) -> None:
    """Ask Linux to send this process ``death_signal`` when the thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def end_by_watcher(parent: int, death_signal: int) -> None:
    """Fork a watcher that holds standard input, the lifeline whose other end only the parent holds."""
    program = os.getpid()
    if os.fork() == 0:
        watch_lifeline(program, parent, death_signal)
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def watch_lifeline(program: int, parent: int, death_signal: int) -> None:
    """Wait until the parent has gone, then end the program: ``death_signal`` first, SIGKILL 5 s later.

    The watcher is the program's child, so its own parent's number tells, free of reuse, whether the program still runs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 2)  # a reader of the program's output must not wait for the watcher
    while os.getppid() == program:
        readable, _, _ = select.select([0], [], [], POLL_S)
        if readable or not is_alive(parent):
            break
    for number, wait_s in ((death_signal, GRACE_S), (signal.SIGKILL, 0.0)):
        if os.getppid() == program:
            with suppress(ProcessLookupError):
                os.kill(program, number)
            wait_until_gone(program, wait_s)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this number exists (a process that a forked twin of the parent outlives included)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_until_gone(program: int, wait_s: float) -> None:
    """Look at most ``wait_s`` seconds, ten times a second, whether the program is still the watcher's parent."""
    for _ in range(int(wait_s * 10)):
        if os.getppid() != program:
            return
        select.select([], [], [], 0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
