"""The ends of requests: whoever sees one first writes the request's final frame, and tells those of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from meetingtasks.progress_watch import OnProgress, ProgressWatch
from meetingtasks.records import Progress, TaskRecord
from meetingtasks.sessions.requests import ClientTaskResponse
from meetingtasks.store.sessions import SessionStore
from meetingtasks.store.tasks import TaskStore
from meetingtasks.waiting import EndWatcher

#: a subscription usually stands after some ms; without it the next progress is the first
HEARD_WITHIN_S: Final = 1.0
Callback = Callable[[ClientTaskResponse], object]


class Ends:
    """Follows tasks for their clients, in two threads for any number of them.

    A final frame that could not be written, because the server was away, is written by the next ``settle``.
    """

    def __init__(self, tasks: TaskStore, sessions: SessionStore) -> None:
        self._tasks = tasks
        self._sessions = sessions
        self._ends = EndWatcher(tasks)
        self._progress = ProgressWatch(tasks)

    def stop(self) -> None:
        """End the threads. May be called twice."""
        self._ends.stop()
        self._progress.stop()

    def follow(
        self,
        session_id: str,
        request_id: str,
        task_id: str,
        *,
        on_progress: OnProgress,
        on_end: Callback | None = None,
    ) -> Callable[[], None]:
        """Tell of a request's progress and end, in threads of this object; returns what stops that."""

        def ended(record: TaskRecord) -> None:
            response = ClientTaskResponse.of(request_id, record)
            try:
                self._conclude(session_id, request_id, response)
            finally:
                if on_end is not None:
                    on_end(response)

        return self.watch(task_id, on_progress=on_progress, on_end=ended)

    def watch(
        self, task_id: str, *, on_progress: OnProgress, on_end: Callable[[TaskRecord], object]
    ) -> Callable[[], None]:
        """Tell of any task's progress and end, in threads of this object; returns what stops that.

        Progress that was reported before it could be heard is told first.
        """
        is_told = threading.Event()

        def tell(progress: Progress) -> None:
            is_told.set()
            on_progress(progress)

        subscription = self._progress.subscribe(task_id, tell)
        self._ends.watch(task_id, on_end)
        if self._progress.is_heard(subscription, HEARD_WITHIN_S):
            record = self._tasks.get(task_id)
            reported = record is not None and not record.state.is_final and record.progress.updated_ms is not None
            if record is not None and reported and not is_told.is_set():
                on_progress(record.progress)

        def stop() -> None:
            self._progress.unsubscribe(task_id, subscription)
            self._ends.unwatch(task_id, on_end)

        return stop

    def settle(self, session_id: str) -> dict[str, str]:
        """Write the final frames of those requests whose tasks have ended; returns request -> task of the others."""
        left = self._sessions.open_requests(session_id)
        records = self._tasks.get_many(left.values())
        for (request_id, _), record in zip(list(left.items()), records, strict=True):
            if record is not None and record.state.is_final:
                self._conclude(session_id, request_id, ClientTaskResponse.of(request_id, record))
                del left[request_id]
        return left

    def _conclude(self, session_id: str, request_id: str, response: ClientTaskResponse) -> None:
        self._sessions.conclude(session_id, request_id, response.as_dict(), duration_ms=response.duration_ms)
