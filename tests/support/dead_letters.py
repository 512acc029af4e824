"""Dead letters for tests: made by the store's own steps, as a worker makes them, but without one."""

from collections.abc import Mapping, Sequence
from typing import Any

from meetingtasks.broker import LeaseQueue
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.failures import fingerprint
from meetingtasks.records import TaskError, TaskRecord
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import End, Refused, Run
from meetingtasks.submission import task_id_of

TYPE = "custom_task_type_1"
QUEUE = "custom_tasks"
NAME = f"meetingtasks.custom.{TYPE}"
VALUES = {
    "type": TYPE,
    "name": NAME,
    "service": "custom-service",
    "queue": QUEUE,
    "priority": "normal",
    "state": "pending",
    "payload": {"echo": "hello"},
}


class Graveyard:
    """The dead letters of one dispatcher's fleet, and the queue that they go back to."""

    def __init__(self, dispatcher: TaskDispatcher) -> None:
        self.dispatcher = dispatcher
        self.store = dispatcher.store
        self.letters = dispatcher.dead_letters
        self.url = dispatcher.app.conf.broker_url

    def bury(self, task_id: str, *, values: Mapping[str, Any] | None = None, **error: Any) -> str:
        """Let a task of these first values fail for the last time; returns its id. See ``fail`` for the error."""
        self.store.create(task_id, {**VALUES, **(values or {})})
        return self.fail(task_id, **error)

    def start(self, task_id: str, number: int | None = None) -> TaskRecord | Refused:
        """Start a task by its newest message, or by that of another number."""
        run = Run(token=f"run of {task_id}", worker="custom@test", pid=1)
        retries = self.record(task_id).retries if number is None else number
        return self.store.start(task_id, run, retries=retries, otherwise={})

    def fail(self, task_id: str, *, code: str = "dns", error_class: str = "network", **how: Any) -> str:
        """Let a waiting task start and fail for the last time."""
        started = self.start(task_id)
        assert isinstance(started, TaskRecord), started
        print_ = fingerprint(started.name, code)
        error = TaskError(code=code, error_class=error_class, message=code, fingerprint=print_)
        self.store.finish(task_id, f"run of {task_id}", End(state=TaskState.FAILED, error=error, dead=True, **how))
        return task_id

    def complete(self, task_id: str) -> None:
        """Let a waiting task start and complete."""
        assert isinstance(self.start(task_id), TaskRecord)
        self.store.finish(task_id, f"run of {task_id}", End(state=TaskState.COMPLETED))

    def bury_many(self, number: int, **about: Any) -> list[str]:
        return [self.bury(f"letter-{i:05}", **about) for i in range(number)]

    def record(self, task_id: str) -> TaskRecord:
        record = self.store.get(task_id)
        assert record is not None, task_id
        return record

    def queue(self, name: str = QUEUE) -> LeaseQueue:
        return LeaseQueue(connect(self.url, as_bytes=True), name)

    def waiting(self, name: str = QUEUE) -> list[str]:
        """Return the tasks whose messages are ready in a queue, in their order, each as often as it is there."""
        return [task_id_of(message.id) for message in self.queue(name).peek(100_000)]

    def check(self, task_ids: Sequence[str], *, name: str = QUEUE) -> tuple[set[str], set[str]]:
        """Return which of these tasks are dead letters and which wait; each must be exactly one of them, once."""
        dead, waiting = self.store.dead_ids(1_000_000), self.waiting(name)
        assert len(set(dead)) == len(dead)
        assert len(set(waiting)) == len(waiting)
        assert set(dead) & set(waiting) == set()
        assert set(dead) | set(waiting) == set(task_ids)
        for task_id, record in zip(task_ids, self.store.get_many(task_ids), strict=True):
            assert record is not None, task_id
            assert record.dead is (task_id in set(dead)), task_id
            assert record.state is (TaskState.FAILED if record.dead else TaskState.PENDING), task_id
        return set(dead), set(waiting)
