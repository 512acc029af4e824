"""The stop of a Celery worker, in a thread of its own: it works whatever the worker's main thread is doing.

The first SIGTERM or SIGINT: no message is taken any more, what has not begun goes back to its queue, and what runs is
waited for, up to ``max_shutdown_wait_s``. A second signal, SIGQUIT, or the end of that time: running code is ended and
its tasks are given back, or failed, as ``shutdown_overdue`` says.

Should this process die at any line of it, every message that it held comes back when its lease has run out. A task
whose end was recorded before its message was given back is refused by the next worker and acknowledged unrun.

Celery's own soft shutdown (``worker_soft_shutdown_timeout``) is not used: it sleeps in a signal handler of the main
thread, so that no result is read and no end acknowledged meanwhile, and what has not begun stays with the worker.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, Final, Literal

from celery.worker import state as celery_state

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import BusinessError
from meetingtasks.worker import held
from meetingtasks.worker.unstarted import take_back

log = logging.getLogger(__name__)
#: what Celery's event loop looks at; its types know no other value than None
state: Any = celery_state

#: exit codes; the last is the command line's word for "not finished"
DRAINED: Final = 0
FAILED: Final = 1
GIVEN_BACK: Final = 4

LOOK_S: Final = 0.05  # how often a stop looks whether the last task has ended
TELL_EVERY_S: Final = 10.0
NAMED: Final = 5  # most tasks that one log line names
SEND_WITHIN_S: Final = 1.5
DEATH_WITHIN_S: Final = 0.5
ORDERLY_WITHIN_S: Final = 15.0  # for what Celery does at its end, once nothing runs any more

WhenOverdue = Literal["requeue", "fail"]


class Stopping:
    """Stops one worker when it is told to by `ask`."""

    def __init__(self, worker: Any, *, max_wait_s: float, when_overdue: WhenOverdue = "requeue") -> None:
        self._worker = worker
        self._max_wait_s = max_wait_s
        self._when_overdue = when_overdue
        # a signal may interrupt any line, a put included: this queue's may be interrupted
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="stopping", daemon=True).start()

    def ask(self, number: int = signal.SIGTERM) -> None:
        """Ask for the stop as a signal does; returns at once, and may be called by a signal handler."""
        self._asked.put(number)

    def _run(self) -> None:
        try:
            self._stop(self._asked.get())
        except BaseException:  # without this thread no signal would end the worker any more
            log.exception("stopping failed; what runs starts elsewhere when its lease has run out")
            _leave(FAILED)

    def _stop(self, number: int) -> None:
        held.take_no_more()
        why = "SIGQUIT" if number == signal.SIGQUIT else self._drain()
        if why is not None:
            self._end_at_once(why)
        log.info("stopping: nothing is running", extra={"action": "drained"})
        state.should_stop = DRAINED
        if self._worker.hub is not None:
            self._worker.hub.call_soon(_nothing)  # wakes it
        if self._asked_again(ORDERLY_WITHIN_S) is None:
            log.warning("stopping: the worker did not come to its end by itself", extra={"action": "exit_forced"})
        _leave(DRAINED)

    # ---- waiting

    def _drain(self) -> str | None:
        """Wait for what runs; returns why that is over before it was done."""
        self._give_back_unstarted()
        until_s = SYSTEM.monotonic_s() + self._max_wait_s
        tell_s = 0.0
        while running := held.blockers():
            if SYSTEM.monotonic_s() >= until_s:
                return f"it has waited for {self._max_wait_s:g} s"
            if SYSTEM.monotonic_s() >= tell_s:
                self._tell(running, until_s)
                tell_s = SYSTEM.monotonic_s() + TELL_EVERY_S
            again = self._asked_again(LOOK_S)
            if again is not None:
                return f"{signal.Signals(again).name} came too"
            self._give_back_unstarted()  # a fetch that was under way may have brought something
        return None

    def _give_back_unstarted(self) -> None:
        unstarted = take_back(self._worker)
        held.give_back_unrun(request.message.delivery_tag for request in unstarted)
        for request in unstarted:
            state.task_ready(request)

    def _asked_again(self, within_s: float) -> int | None:
        try:
            return self._asked.get(timeout=within_s)
        except queue.Empty:
            return None

    def _tell(self, running: list[held.Blocker], until_s: float) -> None:
        names = "; ".join(str(blocker) for blocker in running[:NAMED])
        more = f"; and {len(running) - NAMED} more" if len(running) > NAMED else ""
        left_s = until_s - SYSTEM.monotonic_s()
        about = {"action": "stopping", "tasks": [blocker.task_id for blocker in running], "left_s": round(left_s, 1)}
        log.info("stopping: waits up to %.0f s more for %s%s", left_s, names, more, extra=about)

    # ---- ending

    def _end_at_once(self, why: str) -> None:
        seized = held.seize()
        requests = dict(state.requests)  # a process that is killed takes its request out of there
        self._kill_processes()
        failed = [one for one in seized if self._when_overdue == "fail" and self._fail(requests.get(one.task_id))]
        for one in seized:
            one.acknowledge() if one in failed else one.give_back()
        self._give_back_unstarted()
        sent = held.send_all(SEND_WITHIN_S)
        about = {"action": "given_back", "tasks": [one.task_id for one in seized], "failed": len(failed)}
        done = f"{len(failed)} tasks failed, {len(seized) - len(failed)} given back"
        log.warning("stopping at once, because %s: %s", why, done, extra=about)
        if not sent:
            log.warning("the server did not answer: they start elsewhere when their leases have run out")
        _leave(GIVEN_BACK if seized else DRAINED)

    def _kill_processes(self) -> None:
        """End the pool's processes, so that a task does not run here and elsewhere; threads end with this process."""
        pids = [pid for pid in self._worker.pool.info.get("processes", ()) if pid != os.getpid()]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until_s = SYSTEM.monotonic_s() + DEATH_WITHIN_S
        pause = threading.Event()
        while any(_lives(pid) for pid in pids) and SYSTEM.monotonic_s() < until_s:
            pause.wait(0.01)

    def _fail(self, request: Any) -> bool:
        """End a task as failed; False when that could not be told."""
        if request is None:
            return False
        text = f"its worker had to stop and waited {self._max_wait_s:g} s for it"
        error = BusinessError(text, code="worker_stopped")
        told = threading.Event()

        def tell() -> None:
            # as Celery does at a hard time limit: the task's own process is gone and can say nothing
            request.task.backend.mark_as_failure(request.id, error, request=request._context)  # noqa: SLF001
            told.set()

        threading.Thread(target=tell, name="failing", daemon=True).start()
        return told.wait(SEND_WITHIN_S)


def _lives(pid: int) -> bool:
    """Tell whether a child still runs; leaves it to its parent's pool to collect its exit code."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def _leave(code: int) -> None:
    """End this process here: its main thread may be in the middle of a task."""
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _nothing() -> None:
    pass
