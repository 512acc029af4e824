"""Tells callers in this process when tasks end: one thread and one subscription for any number of them.

The published word is only a hint. A sweep over the records finds the ends whose word was lost, so each watched end is
told exactly once as long as this process lives, also after the server was away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from meetingtasks.clock import SYSTEM
from meetingtasks.records import TaskRecord
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.tasks import TaskStore

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 1.0
SWEEP_AT_ONCE = 1000
OnEnd = Callable[[TaskRecord], object]


class EndWatcher:
    """Calls back, once each, when watched tasks have ended; callbacks run in its thread."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._waiting: dict[str, list[OnEnd]] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, task_id: str, on_end: OnEnd) -> None:
        """Call ``on_end(record)`` once when the task has ended; at once in the thread when it has already."""
        with self._lock:
            self._waiting.setdefault(task_id, []).append(on_end)
            self._ensure_thread()
        self._changed.set()

    def unwatch(self, task_id: str, on_end: OnEnd) -> None:
        """Forget one callback of a task; others who wait for it are told all the same."""
        with self._lock:
            left = [callback for callback in self._waiting.get(task_id, ()) if callback is not on_end]
            if left:
                self._waiting[task_id] = left
            else:
                self._waiting.pop(task_id, None)
        self._changed.set()

    def stop(self) -> None:
        """End the thread; ends that come later are not told. May be called twice."""
        self._stopping.set()
        self._changed.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    @property
    def watched(self) -> int:
        """How many tasks are being waited for."""
        return len(self._waiting)

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="meetingtasks-ends", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pubsub = self._store.client.pubsub(ignore_subscribe_messages=True)
            try:
                self._listen(pubsub)
            except RedisError as error:
                log.warning("the wait for ends lost its connection and tries again", extra={"why": str(error)})
                self._stopping.wait(SWEEP_INTERVAL_S)
            except Exception:
                # whatever one record or callback held, the others still wait for this thread
                log.exception("the wait for ends failed and goes on")
                self._stopping.wait(SWEEP_INTERVAL_S)
            finally:
                pubsub.close()

    def _listen(self, pubsub: Any) -> None:
        subscribed: set[str] = set()
        swept_s = 0.0
        while not self._stopping.is_set():
            if self._changed.is_set() or not subscribed:
                fresh = self._follow(pubsub, subscribed)
                if fresh:
                    self._settle(fresh)  # a task may have ended before its channel was heard
            if not subscribed:
                self._changed.wait(SWEEP_INTERVAL_S)
                continue
            message = pubsub.get_message(timeout=0.05)
            if message is not None and message["type"] == "message":
                self._settle([message["channel"].removeprefix(keys.done(""))])
            if SYSTEM.monotonic_s() - swept_s > SWEEP_INTERVAL_S:
                swept_s = SYSTEM.monotonic_s()
                self._settle(self._ended_among(list(subscribed)))

    def _ended_among(self, task_ids: list[str]) -> list[str]:
        """Return which of the tasks have ended, by their states alone: records may be large and waits many."""
        ended = []
        for start in range(0, len(task_ids), SWEEP_AT_ONCE):
            some = task_ids[start : start + SWEEP_AT_ONCE]
            pipe = self._store.client.pipeline(transaction=False)
            for task_id in some:
                pipe.hget(keys.task(task_id), "state")
            states = zip(some, pipe.execute(), strict=True)
            ended += [task_id for task_id, state in states if state and TaskState(state).is_final]
        return ended

    def _follow(self, pubsub: Any, subscribed: set[str]) -> list[str]:
        self._changed.clear()
        with self._lock:
            wanted = set(self._waiting)
        fresh, stale = wanted - subscribed, subscribed - wanted
        if stale:
            pubsub.unsubscribe(*map(keys.done, stale))
        if fresh:
            pubsub.subscribe(*map(keys.done, fresh))
        subscribed -= stale
        subscribed |= fresh
        return list(fresh)

    def _settle(self, task_ids: list[str]) -> None:
        for task_id, record in zip(task_ids, self._store.get_many(task_ids), strict=True):
            if record is None or not record.state.is_final:
                continue
            with self._lock:
                callbacks = self._waiting.pop(task_id, [])
            self._changed.set()
            for callback in callbacks:
                self._call(callback, record)

    @staticmethod
    def _call(callback: OnEnd, record: TaskRecord) -> None:
        try:
            callback(record)
        except Exception:
            log.exception("a callback failed; the task's state is not changed by that", extra={"task_id": record.id})
