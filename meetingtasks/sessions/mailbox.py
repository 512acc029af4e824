"""What waits to be sent to one client: answers, the newest progress of each request, and whether the outbox has more.

A client that reads slowly costs little: of progress only the newest is kept, results and events wait in the outbox on
the server, and a client that asks on without reading its answers is let go.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from meetingtasks.sessions import protocol

MOST_ANSWERS: Final = 256


class Mailbox:
    """Filled from any thread; ``wake()`` is called in that thread whenever there is something new."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._answers: deque[str] = deque()
        self._progress: dict[str, dict[str, Any]] = {}
        self._has_news = False
        self._is_full = False
        self._closed: tuple[int, str] | None = None

    def answer(self, text: str) -> None:
        """Put an answer; the client is let go when too many wait."""
        with self._lock:
            if len(self._answers) >= MOST_ANSWERS:
                self._is_full = True
            else:
                self._answers.append(text)
        self._wake()

    def progress(self, task_id: str, data: dict[str, Any]) -> None:
        """Put a task's progress in place of the one before."""
        with self._lock:
            self._progress[task_id] = data
        self._wake()

    def drop_progress(self, task_id: str) -> None:
        """Forget the progress of a task: its end is told."""
        with self._lock:
            self._progress.pop(task_id, None)

    def news(self) -> None:
        """Say that the outbox may have more."""
        with self._lock:
            self._has_news = True
        self._wake()

    def close(self, code: int, reason: str) -> None:
        """Ask for the end of the connection; the first reason stands."""
        with self._lock:
            self._closed = self._closed or (code, reason)
        self._wake()

    @property
    def closed(self) -> tuple[int, str] | None:
        """Close code and reason, once the connection is to end."""
        return (4429, "too many answers wait") if self._is_full else self._closed

    def take_answers(self) -> list[str]:
        """Take the answers that wait."""
        with self._lock:
            taken, self._answers = list(self._answers), deque()
        return taken

    def take_news(self) -> bool:
        """Tell whether the outbox is to be read."""
        with self._lock:
            taken, self._has_news = self._has_news, False
        return taken

    def take_progress(self) -> list[str]:
        """Take the newest progress of each task as frames."""
        with self._lock:
            taken, self._progress = self._progress, {}
        return [protocol.frame("task.progress", data) for data in taken.values()]
