"""The channel of one request in this process: its progress as it comes, then one response."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final

from meetingtasks.records import Progress
from meetingtasks.sessions.requests import Accepted, ClientTaskResponse

#: how long the earlier systems waited for a response
RESPONSE_WITHIN_S: Final = 60.0
#: progress that nobody reads; then the oldest goes
_MOST_PROGRESS: Final = 1000


class ResponseChannel:
    """Yields a request's progress and then its one final response. Thread-safe, for one reader."""

    def __init__(self, accepted: Accepted) -> None:
        self.accepted = accepted
        self._progress: queue.Queue[Progress | None] = queue.Queue(_MOST_PROGRESS)
        self._lock = threading.Lock()
        self._response: ClientTaskResponse | None = None
        self._ended = threading.Event()
        self._callbacks: list[Callable[[ClientTaskResponse], object]] = []

    @property
    def request_id(self) -> str:
        """The client's id of the request."""
        return self.accepted.request_id

    @property
    def task_id(self) -> str:
        """The task that it became."""
        return self.accepted.task_id

    def get(self, timeout_s: float = RESPONSE_WITHIN_S) -> ClientTaskResponse:
        """Return the final response; after ``timeout_s`` without one an error ``TIMEOUT`` (the task goes on)."""
        if self._ended.wait(timeout_s) and self._response is not None:
            return self._response
        return self._silent(timeout_s)

    def listen(self, timeout_s: float = RESPONSE_WITHIN_S) -> Iterator[Progress | ClientTaskResponse]:
        """Yield progress and at last the response; after ``timeout_s`` of silence an error ``TIMEOUT`` is the last."""
        while True:
            try:
                progress = self._progress.get(timeout=timeout_s)
            except queue.Empty:
                yield self._silent(timeout_s)
                return
            if progress is None:
                yield self.get(0)
                return
            yield progress

    def then(self, callback: Callable[[ClientTaskResponse], object]) -> None:
        """Call ``callback(response)`` once at the end; at once when it has come."""
        with self._lock:
            if self._response is None:
                self._callbacks.append(callback)
                return
        callback(self._response)

    def tell(self, progress: Progress) -> None:
        """Take a progress; nothing after the end."""
        with self._lock:
            if self._response is None:
                self._put(progress)

    def end(self, response: ClientTaskResponse) -> None:
        """Take the final response; only the first counts."""
        with self._lock:
            if self._response is not None:
                return
            self._response = response
            self._put(None)
            self._ended.set()
        for callback in self._callbacks:
            callback(response)

    def _put(self, item: Progress | None) -> None:
        if self._progress.full():
            self._progress.get_nowait()
        self._progress.put_nowait(item)

    def _silent(self, timeout_s: float) -> ClientTaskResponse:
        message = f"no response within {timeout_s:g} s; the task goes on"
        error = {"code": "TIMEOUT", "message": message, "details": {}, "retryable": True}
        return ClientTaskResponse(request_id=self.request_id, task_id=self.task_id, status="error", error=error)
