"""Watches the attempts that run in this process, and raises SoftTimeLimitExceeded in one that passes its limit.

In the main thread of a pool process the exception comes by a signal, so it also ends a wait inside the operating
system. In any other thread it comes with the next instruction of Python: a thread that is inside a library's call gets
it when the call returns.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from billiard.exceptions import SoftTimeLimitExceeded
from billiard.pool import soft_timeout_sighandler

from meetingtasks.errors import TaskTimeout
from meetingtasks.limits.attempt_limits import AttemptLimits

LOOK_S: Final = 0.1
#: it goes on looking so long after the last attempt: waking a thread costs more than a small task
LINGER_S: Final = 1.0


class Guard:
    """Looks at all attempts of this process ten times a second while there are any."""

    def __init__(self) -> None:
        self._watched: dict[AttemptLimits, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._is_idle = True
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, task_id: str, limits: AttemptLimits) -> Iterator[None]:
        """Watch the attempt that runs inside, in this thread. TaskTimeout when a limit was what ended it."""
        thread = threading.get_ident()
        try:
            self._begin(task_id, limits, thread)
            yield
        except Exception as error:
            if limits.reason and _comes_of_interruption(error):
                raise TaskTimeout(limits.reason) from error
            raise
        finally:
            self._end(limits, thread)

    def end_at_s(self, task_id: str) -> float | None:
        """Return when the attempt of a task that runs here must be ended; None: it does not run here, or never."""
        with self._lock:
            found = [limits for limits, (watched, _) in self._watched.items() if watched == task_id]
        return found[0].end_at_s if found else None

    def _begin(self, task_id: str, limits: AttemptLimits, thread: int) -> None:
        with self._lock:
            self._watched[limits] = (task_id, thread)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="limits-guard", daemon=True)
                self._thread.start()
        if self._is_idle:
            self._work.set()

    def _end(self, limits: AttemptLimits, thread: int) -> None:
        # an interruption that was sent in the last moment must not hit what comes after the attempt
        while True:
            try:
                with self._lock:
                    self._watched.pop(limits, None)
                limits.close()
                if limits.reason:
                    _call_off(thread)
                for _ in range(2):
                    pass  # Python runs a signal's handler at the latest where a loop turns
            except SoftTimeLimitExceeded:
                continue
            return

    def _run(self) -> None:
        idle_s = 0.0
        while True:
            with self._lock:
                watched = list(self._watched.items())
            for limits, (_, thread) in watched:
                if limits.stop_in_s < 0:
                    limits.interrupt_if_due(lambda thread=thread: interrupt(thread))  # type: ignore[misc] # bound now
            idle_s = 0.0 if watched else idle_s + LOOK_S
            self._pause(idle_s > LINGER_S)

    def _pause(self, is_idle: bool) -> None:
        self._work.clear()
        self._is_idle = is_idle
        with self._lock:
            if self._watched:  # looked at again: who came in between did not wake a thread that was up
                self._is_idle = False
        self._work.wait(None if self._is_idle else LOOK_S)
        self._is_idle = False


def interrupt(thread: int) -> None:
    """Raise SoftTimeLimitExceeded in a thread of this process."""
    in_pool_process = signal.getsignal(signal.SIGUSR1) is soft_timeout_sighandler
    if in_pool_process and thread == threading.main_thread().ident:
        signal.pthread_kill(thread, signal.SIGUSR1)
    else:
        _raise_in(thread, ctypes.py_object(SoftTimeLimitExceeded))


def _call_off(thread: int) -> None:
    """Take back an exception that a thread has not got yet."""
    _raise_in(thread, None)


def _raise_in(thread: int, exception: ctypes.py_object[type[BaseException]] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


def _comes_of_interruption(error: BaseException | None) -> bool:
    """Tell whether an error is the interruption, or was raised where that was being handled."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, SoftTimeLimitExceeded | TaskTimeout):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


GUARD = Guard()
os.register_at_fork(after_in_child=GUARD.__init__)  # type: ignore[misc] # a forked process has none of the threads
