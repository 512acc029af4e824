"""Places: for one side of a row, a server, workers on it, what they wrote down, and a look into the queue."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import redis

from benchmarks.support import worker
from benchmarks.support.messages import NORMAL, Message, copies
from benchmarks.support.waits import must, wait_for
from meetingtasks.broker import LeaseQueue, Outgoing
from meetingtasks.broker.outgoing import prepare
from meetingtasks.embedded import EmbeddedServer

QUEUE: Final = "celery"
STOCK_LISTS: Final = {0: QUEUE, 3: f"{QUEUE}\x06\x163", 6: f"{QUEUE}\x06\x166", 9: f"{QUEUE}\x06\x169"}
AT_ONCE: Final = 500
Item = TypeVar("Item")
START_S: Final = 30.0
IMPORTED: Final = [  # before the fork
    "benchmarks.support.worker",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "kombu.transport.redis",
]


def forks() -> ForkServerContext:
    """Return the context whose processes begin with Celery imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


class RunningWorker:
    """One worker: its process group, its log, and what it costs."""

    def __init__(self, process: ForkServerProcess, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The number of the main process, which is its group's too."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def lives(self) -> bool:
        """Whether the main process runs."""
        return self.process.is_alive()

    @property
    def output(self) -> str:
        """Everything it printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all its processes."""
        with suppress(ProcessLookupError):  # ended by itself
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End all its processes at once."""
        self.signal(signal.SIGKILL)
        self.process.join()

    def rss_mib(self) -> float:
        """Return the memory of the main process in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Return the CPU time of all its processes in s."""
        return sum(cpu_s_of(pid) for pid in pids_of_group(self.pid))


class Place:
    """Use as a context; its end ends everything that was started here."""

    def __init__(
        self,
        ours: bool,
        *,
        settings: Mapping[str, str] | None = None,
        prefetch: int = 1,
        keeps: bool = False,
        **options: Any,
    ) -> None:
        """Set ``settings`` in the server; ``options`` are transport options, each read by the side that knows it.

        ``keeps``: the workers run the one task whose result is kept, see ``keeping``.
        """
        self.ours = ours
        self.options = options
        self.prefetch = prefetch
        self.keeps = keeps
        self._settings = settings or {}
        self._ends = ExitStack()
        self._workers = 0
        self._read_to = 0
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self.directory = Path(self._ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        self.server = self._ends.enter_context(EmbeddedServer(port=0, settings=self._settings))
        self.diary = self.directory / "diary"
        self.client = self._ends.enter_context(redis.Redis.from_url(self.server.client_url))
        self.queue = LeaseQueue(self.client, QUEUE)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # ---- processes

    def setup(self, url: str = "") -> worker.Setup:
        """Return what a process of this side must know."""
        return worker.Setup(self.ours, url or self.server.url, str(self.diary), self.options, self.prefetch, self.keeps)

    def worker(self, pool: str, concurrency: int = 2, *, url: str = "", wait: bool = True) -> RunningWorker:
        """Start a worker and wait until it consumes."""
        self._workers += 1
        log = self.directory / f"worker{self._workers}.log"
        slots = 1 if pool == "solo" else concurrency  # else Celery takes one slot per processor, and solo runs one
        arguments = ["-P", pool, "-c", str(slots), "-n", f"w{self._workers}@bench"]
        process = forks().Process(target=worker.run, args=(self.setup(url), str(log), arguments))
        process.start()
        started = RunningWorker(process, log)
        self._ends.callback(started.kill)
        if wait:
            must(lambda: worker.READY in started.output or not started.lives, START_S, "a worker's start")
            if not started.lives:
                raise RuntimeError(f"the worker ended at its start:\n{started.output}")
        return started

    # ---- the queue

    def fill(self, messages: Sequence[Message]) -> None:
        """Put messages into the queue, as this side's producers would."""
        for i in range(0, len(messages), AT_ONCE):
            part = messages[i : i + AT_ONCE]
            if self.ours:
                self.queue.enqueue_many([prepare(message) for message in part])
                continue
            with self.client.pipeline(transaction=False) as pipe:
                for message in part:
                    pipe.lpush(STOCK_LISTS[message["properties"]["priority"]], json.dumps(message))
                pipe.execute()

    def fill_copies(self, task: str, number: int, *args: Any, keys: int = 0, queue: str = QUEUE) -> None:
        """Put equal tasks of ``keys`` meetings (0: of none) into a queue."""
        for part in batched(copies(task, number, *args, keys=keys), AT_ONCE):
            self.put(part, queue=queue)

    def put(self, part: Sequence[tuple[str, bytes, str]], *, queue: str = QUEUE) -> None:
        """Put id, encoded message and meeting of each task into a queue."""
        if self.ours:
            LeaseQueue(self.client, queue).enqueue_many(
                [Outgoing(f"{task_id}:0", raw, key=key) for task_id, raw, key in part]
            )
        else:
            self.client.lpush(f"{queue}{STOCK_LISTS[NORMAL].removeprefix(QUEUE)}", *(raw for _, raw, _ in part))

    def left(self) -> int:
        """Count what is not done: waiting, delayed or with a worker, as far as the server knows."""
        if self.ours:
            return int(self.client.hlen(self.queue.keys.messages)) + int(self.client.llen(self.queue.keys.inbox))
        return self.waiting_in_stock() + int(self.client.hlen("unacked"))

    def waiting_in_stock(self) -> int:
        """Count what waits on stock's lists."""
        return sum(int(self.client.llen(name)) for name in STOCK_LISTS.values())

    def kept(self) -> set[str]:
        """Return the names (first arguments) of the tasks that stock's server still knows."""
        raws = [raw for name in STOCK_LISTS.values() for raw in self.client.lrange(name, 0, -1)]
        messages = [json.loads(raw) for raw in raws]
        messages += [json.loads(raw)[0] for raw in self.client.hvals("unacked")]
        return {json.loads(message["body"])[0][0] for message in messages}

    def drained(self, within_s: float) -> bool:
        """Wait until nothing is left."""
        return wait_for(lambda: self.left() == 0, within_s)

    def lost(self, names: Sequence[str]) -> int:
        """Count the tasks that never ended and that stock does not hold any more; ours must have ended all."""
        missing = set(names) - set(self.ended())
        return len(missing if self.ours else missing - self.kept())

    # ---- the diary

    def lines(self) -> list[str]:
        """Return the diary: time, event, task's name and process, oldest first."""
        if self.diary.exists():
            with self.diary.open() as diary:
                diary.seek(self._read_to)
                text = diary.read()
            whole = text[: text.rfind("\n") + 1]
            self._read_to += len(whole.encode())
            self._lines += whole.splitlines()
        return self._lines

    def times(self, event: str) -> list[tuple[float, str]]:
        """Return when (s since 1970) which tasks started or ended, in that order."""
        split = [line.split() for line in self.lines()]
        return [(float(words[0]), words[2]) for words in split if words[1] == event]

    def started(self) -> Counter[str]:
        """Return how often each task started."""
        return Counter(name for _, name in self.times("start"))

    def ended(self) -> Counter[str]:
        """Return how often each task ended."""
        return Counter(name for _, name in self.times("end"))

    def note_more(self, lines: int, within_s: float = 30.0) -> None:
        """Wait until this many more lines are in the diary; raises `TimeoutError`."""
        before = len(self.lines())
        must(lambda: len(self.lines()) >= before + lines, within_s, f"{lines} more lines in the diary")

    def process_of(self, name: str) -> int:
        """Return the process in which a task first started."""
        return next(int(words[3]) for line in self.lines() if (words := line.split())[1:3] == ["start", name])


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a long row of items into lists."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def pids_of_group(group: int) -> list[int]:
    """Return the processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                    found.append(int(entry.name))
    return found


def cpu_s_of(pid: int) -> float:
    """Return the CPU time of a process with all its threads that still run, in s."""
    total_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # the thread ended
            total_ns += int((thread / "schedstat").read_text().split()[0])
    return total_ns / 1e9
