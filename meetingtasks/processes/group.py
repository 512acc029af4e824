"""A group of programs kept running together: one stream of output, crashes answered by a restart, one end for all.

A thread supervises the group; everything that happens reaches it as an event in one queue, so there is no shared state
to lock. The programs end with this process even when it is killed (see `guarded`).
"""

from __future__ import annotations

import math
import queue
import signal
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Self

from meetingtasks.clock import SYSTEM, Clock
from meetingtasks.processes.member import Member
from meetingtasks.processes.output import Output
from meetingtasks.processes.program import Program, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED = 1
CANNOT_START = 126  # as a shell says it

Event = tuple[Member, int] | None  # a program ended with a code; or None: somebody asks the group to stop


class ProcessGroup:
    """Runs programs until it is told to stop; use `run`, or ``with ProcessGroup([...]) as group: …``.

    The exit code is 0 after a stop that was asked for and when every program ended with 0 by itself, else 1: a program
    crashed too often (see `RestartPolicy`), or one that is not to be restarted ended with another code.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        restart: RestartPolicy | None = None,
        stream: IO[str] | None = None,
        colour: bool | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        names = [program.name for program in programs]
        if len(set(names)) != len(names):
            raise ValueError(f"two programs of a group have the same name: {names}")
        output = Output(stream or sys.stdout, names, colour=colour)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._members = [
            Member(program, output, lambda member, code: self._events.put((member, code)), clock)
            for program in sorted(programs, key=lambda program: program.stage)
        ]
        self._restart = restart or RestartPolicy()
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._code = 0

    def run(self) -> int:
        """Start everything, return the exit code at the end; SIGINT, SIGTERM and SIGHUP stop it, a second hurries."""
        with _calling_on_signals(self.request_stop):
            self.start()
            return self.wait()

    def start(self) -> None:
        """Start the programs in the order of their stages, and the supervision."""
        try:
            for member in self._members:
                member.start()
        except OSError:
            self._stop_all()
            raise
        self._thread = threading.Thread(target=self._supervise, name="process group", daemon=True)
        self._thread.start()

    def wait(self) -> int:
        """Return the exit code once every program has ended for good."""
        if self._thread is not None:
            self._thread.join()
        return self._code

    def request_stop(self) -> None:
        """Ask for the stop without waiting; asked again, what still runs is hurried (see `Program`), then killed."""
        self._events.put(None)

    def stop(self) -> int:
        """Stop the highest stage, then the next, and return the exit code."""
        if self._thread is not None and self._thread.is_alive():
            self.request_stop()
        return self.wait()

    def pids(self) -> dict[str, int]:
        """Return the process number of every program that runs now."""
        return {member.program.name: pid for member in self._members if (pid := member.pid) is not None}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _supervise(self) -> None:
        while any(member.running or member.start_again_at_s is not None for member in self._members):
            try:
                event = self._events.get(timeout=self._start_due())
            except queue.Empty:
                continue
            if event is None or not self._goes_on_after_end(*event):
                break
        self._stop_all()

    def _start_due(self) -> float | None:
        """Start what is due and return the seconds until something next is."""
        now_s = self._clock.monotonic_s()
        for member in self._members:
            if member.start_again_at_s is not None and member.start_again_at_s <= now_s:
                self._start_again(member)
        waits = [member.start_again_at_s - now_s for member in self._members if member.start_again_at_s is not None]
        return min(waits, default=None)

    def _start_again(self, member: Member) -> None:
        try:
            member.start()
        except OSError as error:  # its directory is gone, or the machine can start no process now
            member.say(f"cannot be started: {error}")
            self._events.put((member, CANNOT_START))

    def _goes_on_after_end(self, member: Member, code: int) -> bool:
        member.forget_process()
        if code == 0 or member.program.restart == "never":
            member.say(f"ended {_in_words(code)}")
            self._code = self._code or min(abs(code), FAILED)
            return True
        member.crashes = self._restart.crashes_in_a_row(member.crashes, member.ran_s)
        wait_s = self._restart.wait_s(member.crashes)
        if wait_s is None:
            member.say(f"ended {_in_words(code)}, {member.crashes} times in a row; giving up and stopping everything")
            self._code = FAILED
            return False
        member.say(f"ended {_in_words(code)}; starting it again in {wait_s:g} s (crash {member.crashes} in a row)")
        member.start_again_at_s = self._clock.monotonic_s() + wait_s
        return True

    def _stop_all(self) -> None:
        for stage in sorted({member.program.stage for member in self._members}, reverse=True):
            members = [member for member in self._members if member.program.stage == stage]
            for member in members:
                member.ask_to_end()
            self._wait_for_ends(members)

    def _wait_for_ends(self, members: list[Member]) -> None:
        now_s = self._clock.monotonic_s()
        kill_at_s = {member: now_s + member.program.grace_s for member in members if member.running}
        hurried: set[Member] = set()
        while kill_at_s:
            next_s = min(kill_at_s.values())
            try:
                event = self._events.get(timeout=_at_most(next_s - self._clock.monotonic_s()))
            except queue.Empty:
                late = next(member for member, due_s in kill_at_s.items() if due_s == next_s)
                self._kill(late, _reason(late, is_hurried=late in hurried))
                kill_at_s[late] = math.inf
                continue
            if event is None:
                self._hurry(kill_at_s, hurried)
                continue
            member, code = event
            member.forget_process()
            member.say(f"stopped, {_in_words(code)}")
            kill_at_s.pop(member, None)

    def _hurry(self, kill_at_s: dict[Member, float], hurried: set[Member]) -> None:
        for member in self._members:
            if member in kill_at_s and member not in hurried and member.program.hurry_s:
                member.ask_to_end()
                kill_at_s[member] = min(kill_at_s[member], self._clock.monotonic_s() + member.program.hurry_s)
                hurried.add(member)
            else:
                self._kill(member, "a second stop was asked for")

    def _kill(self, member: Member, reason: str) -> None:
        if member.running:
            member.say(f"{reason}; killing it")
            member.kill()
            self._code = FAILED


def _reason(late: Member, *, is_hurried: bool) -> str:
    if is_hurried:
        return f"did not end within {late.program.hurry_s:g} s after a second stop was asked for"
    return f"did not end within {late.program.grace_s:g} s"


def _at_most(wait_s: float) -> float | None:
    return None if wait_s == math.inf else max(0.0, wait_s)


def _in_words(code: int) -> str:
    return f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"


@contextmanager
def _calling_on_signals(request: Callable[[], None]) -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        request()

    before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
