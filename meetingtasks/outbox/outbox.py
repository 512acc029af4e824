"""What a process knows of its broker, and what it does about it: hand tasks over, keep them, send them on.

The first submission that finds the broker away tells all others of the process, which then go to the file at once
instead of waiting for a time limit each. A thread asks for the broker and sends on what is kept, also what other
processes left behind; it ends when there is nothing left to do and nobody holds it.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from meetingtasks.clock import SYSTEM
from meetingtasks.errors import MeetingTasksError, TaskConflict
from meetingtasks.idempotency import Duplicate, KeyedT, settle
from meetingtasks.outbox.away import is_away
from meetingtasks.outbox.entry import Entry
from meetingtasks.outbox.file import OutboxFile
from meetingtasks.outbox.forwarder import BATCH, Forwarder
from meetingtasks.outbox.sender import Sender

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

ASK_EVERY_S: Final = 0.25
LOOK_EVERY_S: Final = 1.0
#: an error of the file or of one task is told again no more often
TELL_EVERY_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Handed:
    """Where tasks went, and what those are told, by their ids, whose id or idempotency key is here already."""

    kept: bool
    taken: Mapping[str, Duplicate | TaskConflict] = field(default_factory=dict)


class Outbox:
    """One broker's outbox in this process; thread-safe."""

    def __init__(self, file: OutboxFile, make_sender: Callable[[], Sender]) -> None:
        self.file = file
        self._make_sender = make_sender
        self._sender: Sender | None = None
        self._origin = os.urandom(8).hex()
        self._lock = threading.RLock()  # guards what follows
        self._gate = threading.Lock()  # held while a task is kept, and while the last kept ones are sent on
        self._away_since_s: float | None = None
        self._kept = 0
        self._holders = 0
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._told_s = float("-inf")

    @property
    def sender(self) -> Sender:
        """The process's connections to the broker."""
        with self._lock:
            if self._sender is None:
                self._sender = self._make_sender()
            return self._sender

    @property
    def is_away(self) -> bool:
        """Whether the broker was away when it was last asked, or tasks of this process are yet to be sent on."""
        return self._away_since_s is not None

    @property
    def is_held(self) -> bool:
        """Whether somebody asked for kept tasks to be sent on."""
        return self._holders > 0

    # -- submitting -------------------------------------------------------------------------------------------------

    def settle(self, submissions: Sequence[KeyedT]) -> list[KeyedT | Duplicate | TaskConflict]:
        """Look at the keys of submissions as ``idempotency.settle``: at the kept tasks first, then at the store.

        While the broker is away the kept ones alone tell; whose key is new goes on, and is claimed where it is kept.
        """
        # in this order: what is not in the file any more has its claim in the store
        kept = [None if submission.claim is None else self.file.keyed(submission.claim) for submission in submissions]
        new = [submission for submission, told in zip(submissions, kept, strict=True) if told is None]
        unsettled: list[KeyedT | Duplicate | TaskConflict] = list(new)
        settled = iter(self.ask(lambda: settle(self.sender.store, new), while_away=unsettled))
        return [next(settled) if told is None else told for told in kept]

    def hand_over(self, entries: Sequence[Entry], send: Callable[[], Any] | None = None) -> Handed:
        """Submit to the broker, or keep while it is away. ``send`` is another way to the broker than our own.

        Raises OutboxFull, OutboxUnavailable, or what the broker raises when it is not away; then none was accepted.
        """
        if self.is_away:
            return self.keep(entries)
        try:
            self.sender.send(entries) if send is None else send()
        except Exception as error:
            if not is_away(error):
                raise
            self.lost(error)
            return self.keep([entry.tried() for entry in entries])
        return Handed(kept=False)

    def keep(self, entries: Sequence[Entry]) -> Handed:
        """Keep tasks on disk until the broker is back."""
        with self._gate:
            taken = self.file.put(entries, origin=self._origin)
            self._kept += len(entries) - len(taken)
        self._ensure_thread()
        if not self.is_away:  # it came back while these waited
            self._wake.set()
        return Handed(kept=True, taken=taken)

    def lost(self, error: Exception) -> None:
        """Take note that the broker is away."""
        with self._lock:
            if self._away_since_s is not None:
                return
            self._away_since_s = SYSTEM.monotonic_s()
            self._kept = 0
        log.warning(
            "the broker is away; tasks are kept in the outbox", extra={"event": "broker.down", "why": str(error)[:500]}
        )
        self._ensure_thread()

    def ask(self, question: Callable[[], Answer], *, while_away: Answer) -> Answer:
        """Return the broker's answer to a question, or another one while it is away."""
        if self.is_away:
            return while_away
        try:
            return question()
        except Exception as error:
            if not is_away(error):
                raise
            self.lost(error)
            return while_away

    # -- sending on -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look whether the broker is there, and `hold`; raises what it says when it refuses us."""
        self.ask(self.sender.ping, while_away=None)
        self.hold()

    def hold(self) -> None:
        """Send on what this machine's processes keep, until as many `let_go`."""
        with self._lock:
            self._holders += 1
        self._ensure_thread()

    def let_go(self) -> None:
        """End the thread and the connections when nobody else holds them; what is kept stays on disk."""
        with self._lock:
            self._holders -= 1
            if self._holders > 0:
                return
            thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None:
            thread.join()
        self.close()

    def close(self) -> None:
        """Close connections and file; both open again when they are used again."""
        with self._lock:
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
        self.file.close()

    def forward(self) -> int:
        """Send on all that is kept and return how many; raises what the broker raises when it is away."""
        forwarder, total = Forwarder(self.file, self.sender), 0
        while sent := forwarder.forward():
            total += sent
        return total

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="meetingtasks-outbox", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        me = threading.current_thread()
        forwarder = Forwarder(self.file, self.sender)
        while self._thread is me:
            pause_s = LOOK_EVERY_S
            try:
                if self.is_away or self.file.has_work():
                    self._round(forwarder)
                    pause_s = ASK_EVERY_S
            except MeetingTasksError as error:  # the file's own
                self._tell("the outbox's file cannot be used", error)
            except Exception as error:  # noqa: BLE001 - whatever a broker says, the kept tasks wait for this thread
                if not is_away(error):
                    self._tell("kept tasks could not be sent on", error)
                pause_s = ASK_EVERY_S
            if self._is_idle():
                return
            self._wake.wait(pause_s * random.uniform(0.5, 1.0))
            self._wake.clear()

    def _is_idle(self) -> bool:
        with self._lock:
            if self._holders or self.is_away or self._thread is not threading.current_thread():
                return False
            self._thread = None
            return True

    def _round(self, forwarder: Forwarder) -> None:
        while forwarder.forward() == BATCH:
            pass
        if not self.is_away or self.file.waiting_of(self._origin) > BATCH:
            return
        # new tasks wait for a moment, so that none overtakes the last ones kept here
        with self._gate:
            while self.file.waiting_of(self._origin) and forwarder.forward():
                pass
            if self.file.waiting_of(self._origin) == 0:
                self._found()

    def _found(self) -> None:
        with self._lock:
            away_s = SYSTEM.monotonic_s() - (self._away_since_s or 0.0)
            self._away_since_s = None
        about = {"event": "broker.up", "buffered": self._kept, "away_s": round(away_s, 1)}
        log.warning("the broker is back; the kept tasks were sent on", extra=about)

    def _tell(self, sentence: str, error: Exception) -> None:
        if SYSTEM.monotonic_s() - self._told_s > TELL_EVERY_S:
            self._told_s = SYSTEM.monotonic_s()
            log.error(sentence, extra={"why": str(error)[:500]})
