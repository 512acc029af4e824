"""How far tasks are, told and read from anywhere: the earlier systems' ``StateService``, as a face of the platform.

>>> state = StateService("redis://127.0.0.1:6379/0")                                 # doctest: +SKIP
>>> handle = state.subscribe_progress(task_id, lambda progress: print(progress.percent, progress.message))
>>> state.update_progress(task_id, 50, "正在生成内容...")
True
>>> state.unsubscribe_progress(task_id, handle)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from meetingtasks.context import TaskContext
from meetingtasks.deliveries import translated
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable, BusinessError, TaskConflict, TaskNotFound
from meetingtasks.progress_watch import OnProgress, ProgressWatch, Subscription
from meetingtasks.records import Progress, TaskRecord, from_fields
from meetingtasks.states import TaskState

HUNDRED: Final = 100.0
HEARD_WITHIN_S: Final = 5.0
TRIES: Final = 3  # a new attempt may begin between the look at the record and the report


class StateService:
    """Reports and reads tasks' progress. Thread-safe.

    A task is named by its id, or, inside its own code, by its `TaskContext`, which spares a look at the record.
    """

    def __init__(self, broker: TaskDispatcher | str | None = None) -> None:
        """Take the platform's dispatcher, or the URL of a server (none: this process's settings)."""
        self._owns_dispatcher = not isinstance(broker, TaskDispatcher)
        self.dispatcher = broker if isinstance(broker, TaskDispatcher) else TaskDispatcher(broker)
        self._store = self.dispatcher.store
        self._watch = ProgressWatch(self._store)

    def close(self) -> None:
        """End all subscriptions that were made here. May be called twice."""
        self._watch.stop()
        if self._owns_dispatcher:
            self.dispatcher.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- reporting --------------------------------------------------------------------------------------------------

    def update_progress(self, task: str | TaskContext, percent: float, message: str = "") -> bool:
        """Report 0-100 percent of a running task; within an attempt the percent never falls.

        True while the task should go on, False when its cancellation was asked for; inside the task's own code that is
        TaskCancelled. Raises TaskNotFound, TaskConflict (it does not run) or BrokerUnavailable.
        """
        if isinstance(percent, bool) or not 0 <= percent <= HUNDRED:
            raise BusinessError(f"percent {percent!r} is outside 0-100", code="invalid_payload", field="percent")
        with translated():
            if isinstance(task, TaskContext):
                task.progress(percent, message)
                return True
            return self._report(task, lambda now: replace(now, percent=float(percent), message=message))

    def update_progress_with_steps(
        self, task: str | TaskContext, step: str, completed: int, total: int, message: str = ""
    ) -> bool:
        """Report the step a running task is at, with ``completed`` of ``total`` behind it; see `update_progress`."""
        if isinstance(completed, bool) or isinstance(total, bool) or not 0 <= completed <= total or total == 0:
            raise BusinessError(f"{completed!r} of {total!r} steps is not possible", code="invalid_payload")
        reached = Progress(
            percent=HUNDRED * completed / total,
            step=step,
            completed_steps=completed,
            total_steps=total,
            message=message,
        )
        with translated():
            if isinstance(task, TaskContext):
                task.step(step, completed, total, message)
                return True
            return self._report(task, lambda _now: reached)

    def _report(self, task_id: str, change: Callable[[Progress], Progress]) -> bool:
        for _ in range(TRIES):
            (fields,) = self._store.get_fields([task_id])
            if not fields.get("state"):
                raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
            record = from_fields(fields)
            if record.state is not TaskState.RUNNING:
                raise TaskConflict(
                    f"task {task_id} is {record.state}; only a running task has progress", state=record.state.value
                )
            told = self._store.progress(task_id, fields.get("token", ""), change(record.progress))
            if told != "lost":
                return told == "ok"
        raise TaskConflict(f"task {task_id} changes hands; report again", task_id=task_id)

    # -- listening --------------------------------------------------------------------------------------------------

    def subscribe_progress(self, task_id: str, on_progress: OnProgress) -> Subscription:
        """Call ``on_progress(progress)`` for every progress of a task from now on, wherever it runs.

        The last call comes when the task has ended; then the subscription ends by itself. Callbacks run one after the
        other in a thread of this object. Returns the handle for `unsubscribe_progress`. BrokerUnavailable when the
        server does not answer.
        """
        subscription = self._watch.subscribe(task_id, on_progress)
        if not self._watch.is_heard(subscription, HEARD_WITHIN_S):
            self._watch.unsubscribe(task_id, subscription)
            raise BrokerUnavailable("the broker does not answer: the subscription could not be made")
        return subscription

    def unsubscribe_progress(self, task_id: str, subscription: Subscription | None = None) -> int:
        """End one subscription, or all that this object has for a task; others' stay. Returns how many ended."""
        return self._watch.unsubscribe(task_id, subscription)

    # -- reading ----------------------------------------------------------------------------------------------------

    def get_task(self, task_id: str) -> TaskRecord:
        """Return a task's record; TaskNotFound when there is none."""
        return self.dispatcher.get(task_id)

    def get_progress(self, task_id: str) -> Progress:
        """Return how far a task is; TaskNotFound when there is none."""
        return self.dispatcher.get_progress(task_id)

    def get_task_result(self, task_id: str) -> Any:
        """Return a completed task's result; ResultNotReady before its end, TaskFailed when it ended otherwise."""
        return self.dispatcher.get_result(task_id)
