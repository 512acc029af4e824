"""Where chaos runs: a server, workers that are replaced when they are lost, a producer, and the history of it all."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import redis

from meetingtasks.broker.keys import QueueKeys
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.settings import load
from meetingtasks.store import keys
from tests.integration.broker.proxy import Proxy
from tests.support.chaos.load import Load
from tests.support.eventually import eventually
from tests.support.history import effects
from tests.support.history.model import Event, Fault, History, Submission
from tests.support.processes import ROOT, RunningProcess

SERVICE = "tests.support.chaos.effect_service"
QUEUE = "custom_tasks"
SLACK_S = 2.0  # a busy machine may let that pass between a fetch and the first line of the task


class Arena:
    """Workers of ``slots`` prefork processes each reach the server through a proxy; producers reach it directly."""

    def __init__(self, directory: Path, *, workers: int = 2, slots: int = 2, lease_s: float = 2.0) -> None:
        self.directory = directory
        self.slots = slots
        self.lease_s = lease_s
        self.random = random.Random(23)
        self.workers: list[RunningProcess] = []
        self.faults: list[Fault] = []
        self._wanted = workers
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(EmbeddedServer(port=0))
        self.client = self._stack.enter_context(redis.Redis.from_url(self.server.client_url))
        port = urlsplit(self.server.url).port or 0
        self.proxy = Proxy(port)
        self._stack.callback(self.proxy.close)
        self._worker_url = self.server.url.replace(f":{port}", f":{self.proxy.port}")
        settings = load(broker_url=self.server.url, outbox_path=self.directory / "outbox")
        self.dispatcher = self._stack.enter_context(TaskDispatcher(settings=settings))
        self._keys_before = self._keys()
        for _ in range(self._wanted):
            self.start_worker()
        self.load = Load(self.dispatcher, self.effects, per_s=25, work_s=(0.01, 0.15))
        self._stack.callback(self.load.stop)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def effects(self) -> Path:
        """Where tasks write what they do."""
        return self.directory / "effects"

    # ---- workers

    def start_worker(self) -> RunningProcess:
        """Start a worker and wait until it consumes."""
        worker = self.launch_worker()
        worker.wait_for_line("ready.", 60)
        return worker

    def launch_worker(self) -> RunningProcess:
        """Start a worker; it need not consume yet."""
        env = {
            "MT_BROKER_URL": self._worker_url,
            "MT_LEASE_S": str(self.lease_s),
            "MT_RENEW_S": str(self.lease_s / 4),
            "MT_RETRY_BASE_S": "0.05",
            "PYTHONPATH": str(ROOT),
        }
        node = f"w{os.urandom(3).hex()}@arena"
        command = [sys.executable, "-m", "celery", "-A", SERVICE, "worker", "-l", "INFO", "-n", node]
        options = ("--without-gossip", "--without-mingle", "-P", "prefork", "-c", str(self.slots))
        worker = RunningProcess([*command, *options], env=env)
        self._stack.callback(worker.close)
        self.workers.append(worker)
        return worker

    def pick(self) -> RunningProcess:
        """Return a worker that runs something now, or any after a while."""
        return self.random.choice(self.workers)

    def dismiss(self, worker: RunningProcess) -> None:
        """Count a worker as gone."""
        self.workers.remove(worker)

    def replace(self) -> None:
        """Start as many workers as are missing."""
        missing = [self.launch_worker() for _ in range(self._wanted - len(self.workers))]
        for worker in missing:
            worker.wait_for_line("ready.", 60)

    def fault(self, pids: Iterable[int] = (), *, slots: int = 0, at_s: float = 0.0, kills: bool = True) -> None:
        """Note a fault that ends now."""
        now_s = time.time()
        self.faults.append(Fault(at_s=at_s or now_s, until_s=now_s, slots=slots, pids=frozenset(pids), kills=kills))

    # ---- the end

    def progress(self, tasks: int = 5, within_s: float = 60.0) -> None:
        """Wait until so many more tasks are done: whatever was broken works again."""
        before = self._done()
        eventually(lambda: self._done() >= before + tasks, within_s, every_s=0.05)

    def drain(self, within_s: float = 90.0) -> None:
        """Submit no more and wait until nothing waits or runs, and all messages are acknowledged."""
        self.load.stop()
        keys_of_queue = QueueKeys(QUEUE)
        eventually(lambda: not self.client.zcard(keys.LIVE), within_s, every_s=0.1)
        eventually(lambda: not self.client.hlen(keys_of_queue.messages), within_s, every_s=0.05)

    def stop_workers(self) -> list[int]:
        """Stop all workers by SIGTERM and return their exit codes."""
        for worker in self.workers:
            worker.send(signal.SIGTERM)
        return [worker.wait(60) for worker in self.workers]

    def history(self) -> History:
        """Return what happened."""
        store, queue = self.dispatcher.store, QueueKeys(QUEUE)
        ids = [one.task_id for one in self.load.accepted] + self.load.unknown
        records = {record.id: record for record in store.get_many(ids) if record is not None}
        found = [Submission(task_id=i, accepted_s=time.time()) for i in self.load.unknown if i in records]
        queued = [raw.decode().rpartition(":")[0] for raw in self.client.hkeys(queue.messages)]
        return History(
            submissions=(*self.load.accepted, *found),
            records=records,
            effects=effects.read(self.effects),
            events=tuple(self._events()),
            faults=tuple(self.faults),
            dead_letters=tuple(store.dead_ids(100_000)),
            live=frozenset(store.live_ids(100_000)),
            queued=tuple(queued),
            counts=store.counts(),
            keys_before=self._keys_before,
            keys_after=self._keys(),
            lease_s=self.lease_s,
            slack_s=SLACK_S,
        )

    def _done(self) -> int:
        return sum(effect.word == "end" for effect in effects.read(self.effects))

    def _events(self) -> Iterable[Event]:
        for _, fields in self.dispatcher.store.client.xrange(keys.STREAM):
            yield Event(task_id=fields["task"], event=fields["event"], at_s=int(fields["at_ms"]) / 1000)

    def _keys(self) -> frozenset[str]:
        return frozenset(key.decode() for key in self.client.scan_iter(count=1000) if self.client.ttl(key) == -1)


def family(pid: int) -> list[int]:
    """Return a process and its children, Linux only."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]
