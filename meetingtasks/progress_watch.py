"""Tells callers in this process of the progress of tasks that run anywhere: one thread for any number of subscriptions.

The word comes by Pub/Sub and is not kept: one that is published while the connection is down is missed, the next one
comes through. The end of a task is not missed: it is looked up after every reconnection.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import RedisError

from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.tasks import TaskStore

log = logging.getLogger(__name__)

POLL_S: Final = 0.05  # how soon a new subscription is heard, and a stop is noticed
IDLE_S: Final = 1.0
RETRY_S: Final = 0.5
OnProgress = Callable[[Progress], object]


class Subscription:
    """One caller's interest in one task; the handle by which it is ended."""

    def __init__(self, task_id: str, on_progress: OnProgress) -> None:
        self.task_id = task_id
        self.on_progress = on_progress
        self.heard = threading.Event()


class ProgressWatch:
    """Calls back, in one thread and in order, for each progress of the watched tasks until they have ended."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def subscribe(self, task_id: str, on_progress: OnProgress) -> Subscription:
        """Call ``on_progress(progress)`` from now on, for the last time when the task has ended."""
        subscription = Subscription(task_id, on_progress)
        with self._lock:
            self._subscriptions.setdefault(task_id, []).append(subscription)
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="meetingtasks-progress", daemon=True)
                self._thread.start()
        self._changed.set()
        return subscription

    def unsubscribe(self, task_id: str, subscription: Subscription | None = None) -> int:
        """End one subscription, or all that were made here for a task; returns how many."""
        with self._lock:
            found = self._subscriptions.pop(task_id, [])
            left = [] if subscription is None else [other for other in found if other is not subscription]
            if left:
                self._subscriptions[task_id] = left
        self._changed.set()
        return len(found) - len(left)

    def stop(self) -> None:
        """End the thread and forget all subscriptions. May be called twice."""
        self._stopping.set()
        self._changed.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            self._subscriptions.clear()

    def is_heard(self, subscription: Subscription, within_s: float) -> bool:
        """Wait until nothing of the subscription's task is missed any more; False after ``within_s``."""
        # a callback cannot wait for its own thread
        return threading.current_thread() is self._thread or subscription.heard.wait(within_s)

    @property
    def watched(self) -> int:
        """How many tasks are being watched."""
        return len(self._subscriptions)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pubsub = self._store.client.pubsub(ignore_subscribe_messages=False)
            try:
                self._listen(pubsub)
            except RedisError as error:
                log.warning("the watch on progress lost its connection and tries again", extra={"why": str(error)})
                self._stopping.wait(RETRY_S)
            finally:
                pubsub.close()

    def _listen(self, pubsub: Any) -> None:
        followed: set[str] = set()
        while not self._stopping.is_set():
            if self._changed.is_set() or not followed:
                self._follow(pubsub, followed)
            if not followed:
                self._changed.wait(IDLE_S)
                continue
            message = pubsub.get_message(timeout=POLL_S)
            if message is None:
                continue
            task_id = message["channel"].removeprefix(keys.watch(""))
            if message["type"] == "message":
                self._hear(task_id, json.loads(message["data"]))
            elif message["type"] == "subscribe":
                self._mark_heard(task_id)
                self._settle(task_id)  # it may have ended before its channel was heard

    def _follow(self, pubsub: Any, followed: set[str]) -> None:
        self._changed.clear()
        with self._lock:
            wanted = set(self._subscriptions)
        fresh, stale = wanted - followed, followed - wanted
        if stale:
            pubsub.unsubscribe(*map(keys.watch, stale))
        if fresh:
            pubsub.subscribe(*map(keys.watch, fresh))
        for task_id in wanted & followed:
            self._mark_heard(task_id)  # another subscription to what is heard already
        followed -= stale
        followed |= fresh

    def _hear(self, task_id: str, word: dict[str, Any]) -> None:
        if word.get("event") == "progress":
            self._tell(task_id, _progress(word))
        elif word.get("event") in set(TaskState) and TaskState(word["event"]).is_final:
            self._settle(task_id)

    def _settle(self, task_id: str) -> None:
        record = self._store.get(task_id)
        if record is not None and record.state.is_final:
            self._tell(task_id, record.progress)
            self.unsubscribe(task_id)

    def _tell(self, task_id: str, progress: Progress) -> None:
        with self._lock:
            subscriptions = list(self._subscriptions.get(task_id, ()))
        for subscription in subscriptions:
            try:
                subscription.on_progress(progress)
            except Exception:
                log.exception("a progress callback failed; the others are not affected", extra={"task_id": task_id})

    def _mark_heard(self, task_id: str) -> None:
        with self._lock:
            for subscription in self._subscriptions.get(task_id, ()):
                subscription.heard.set()


def _progress(word: dict[str, Any]) -> Progress:
    return Progress(
        percent=float(word["percent"]),
        step=str(word["step"]),
        completed_steps=int(word["completed_steps"]),
        total_steps=int(word["total_steps"]),
        message=str(word["message"]),
    )
