"""A task store on this test's own empty server, and shorthands for the steps of a task's life."""

from collections.abc import Iterator
from typing import Any

import pytest

from meetingtasks.records import TaskError, TaskRecord
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import End, Refused, Run, TaskStore

TTL_S = 1000
OWNER = "owner"
VALUES = {"type": "transcode", "name": "meetingtasks.media.transcode", "service": "media", "queue": "media_tasks"}


class Steps:
    """The steps of one task's life, each by one call."""

    def __init__(self, store: TaskStore, task_id: str = "t1") -> None:
        self.store = store
        self.id = task_id

    def create(self, **values: Any) -> bool:
        return self.store.create(self.id, {**VALUES, "state": "pending", "priority": "high", **values})

    def start(self, token: str = OWNER, *, retries: int = 0) -> TaskRecord | Refused:
        run = Run(token=token, worker="media@host", pid=4711)
        return self.store.start(self.id, run, retries=retries, otherwise={**VALUES, "state": "pending"})

    def started(self, token: str = OWNER, *, retries: int = 0) -> TaskRecord:
        record = self.start(token, retries=retries)
        assert isinstance(record, TaskRecord), record
        return record

    def finish(
        self, state: TaskState = TaskState.COMPLETED, token: str = OWNER, *, worker: str = "", **how: Any
    ) -> str:
        if state in (TaskState.FAILED, TaskState.TIMEOUT):
            how.setdefault("error", TaskError(code="error", error_class="network", message="connection reset"))
        return self.store.finish(self.id, token, End(state=state, **how), worker=worker)

    def retry(self, retries: int = 1, token: str = OWNER, **how: Any) -> bool:
        return self.store.retry(self.id, retries, **{"token": token, "eta_ms": None, "why": "connection reset", **how})

    def cancel(self, **about: Any) -> str:
        return self.store.cancel(self.id, **about)

    def record(self) -> TaskRecord:
        record = self.store.get(self.id)
        assert record is not None
        return record

    def lifetime_s(self) -> int:
        """Seconds until the record is dropped; -1: never."""
        return int(self.store.client.ttl(keys.task(self.id)))

    def events(self) -> list[dict[str, str]]:
        """Return the entries of the stream, oldest first."""
        return [fields for _, fields in self.store.client.xrange(keys.STREAM)]


@pytest.fixture
def store(broker_url: str) -> Iterator[TaskStore]:
    client = connect(broker_url)
    yield TaskStore(client, record_ttl_s=TTL_S, stream_length=1000)
    client.close()


@pytest.fixture
def task(store: TaskStore) -> Steps:
    return Steps(store)
