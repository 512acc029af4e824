"""A plain Celery application on the lease transport, for tests that run real workers."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps

from meetingtasks.app import STOPPING
from meetingtasks.broker import install

install()
app = Celery("tasks_app", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_lost_wait=0.1,
    worker_enable_prefetch_count_reduction=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        name.removeprefix("OPTION_"): float(value) for name, value in os.environ.items() if name.startswith("OPTION_")
    },
)


class NoticeDeadProcesses(bootsteps.StartStopStep):
    """Looks after the pool's processes more often than the 5 s of stock Celery."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        if worker.pool._pool is not None:  # prefork
            hub.call_repeatedly(0.2, worker.pool._pool.maintain_pool)


app.steps["worker"].update((STOPPING, NoticeDeadProcesses))
DIARY = Path(os.environ.get("DIARY", os.devnull))


def note(text: str) -> None:
    """Write one line to the diary; short appends are atomic."""
    with DIARY.open("a") as diary:
        diary.write(f"{time.time():.4f} {text}\n")


@app.task
def add(a: int, b: int) -> int:
    note(f"add {a} {b}")
    return a + b


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(bind=True, max_retries=5)
def succeed_at(self: Any, retries: int, countdown: float = 0.1) -> int:
    note(f"try {self.request.retries}")
    if self.request.retries < retries:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)


@app.task(bind=True)
def nap(self: Any, name: str, seconds: float) -> str:
    note(f"start {name} {os.getpid()} {bool(self.request.delivery_info.get('redelivered'))}")
    time.sleep(seconds)  # the work itself
    note(f"end {name}")
    return name


@app.task
def die(name: str) -> None:
    note(f"start {name} {os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)
