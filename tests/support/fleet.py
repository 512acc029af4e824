"""A fleet of real workers on a server of its own, with a storage directory, as an operator would start it."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.settings import load
from meetingtasks.store.runs import RunRecord, RunStore
from tests.support.processes import ROOT, RunningProcess
from workers.engines.storage import Storage


class Fleet:
    """Server, storage, dispatcher and any number of workers; all gone when the block ends."""

    def __init__(self, storage_root: Path, **settings: str) -> None:
        self._stack = ExitStack()
        self.storage = Storage(storage_root)
        self._settings = settings

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(EmbeddedServer())
        self.env = {
            "MT_BROKER_URL": self.server.url,
            "MT_STORAGE_ROOT": str(self.storage.root),
            "MT_RETRY_BASE_S": "0.05",
            "PYTHONPATH": str(ROOT),
            **self._settings,
        }
        settings = load(broker_url=self.server.url)
        self.dispatcher = self._stack.enter_context(TaskDispatcher(settings=settings))
        self.runs = RunStore(self.dispatcher.store.client)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, service: str, *options: str, env: dict[str, str] | None = None) -> RunningProcess:
        """Start a service's worker and return when it is ready."""
        command = [sys.executable, "-m", "celery", "-A", f"workers.{service}", "worker", "-l", "INFO"]
        name = f"{service}-{os.urandom(3).hex()}@test"
        arguments = [*command, "--without-gossip", "--without-mingle", "-n", name, *(options or ("-c", "1"))]
        worker = RunningProcess(arguments, env={**self.env, **(env or {})})
        self._stack.callback(worker.close)
        worker.wait_for_line("ready.", 60)
        return worker

    def run(self, run_id: str) -> RunRecord:
        """Return a run's record."""
        record = self.runs.get(run_id)
        assert record is not None, f"there is no run {run_id}"
        return record
