"""Who waits behind a task that ends in the broker is told: a chord's body, a chain, errbacks."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord
from celery.exceptions import ChordError

from meetingtasks import aftermath
from meetingtasks.broker import LeaseQueue
from meetingtasks.companion import COMPANION
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.store import keys
from meetingtasks.store.client import connect
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

NAME = "meetingtasks.custom.custom_task_type_1"
QUEUE = "custom_tasks"


@pytest.fixture
def worker(broker_url: str, start_process: Callable[..., RunningProcess]) -> RunningProcess:
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-l", "INFO", "-c", "2"]
    started = start_process(
        command, env={"MT_BROKER_URL": broker_url, "MT_MAX_DELIVERIES": "1", "PYTHONPATH": str(ROOT)}
    )
    started.wait_for_line("ready.")
    return started


def task(dispatcher: TaskDispatcher, name: str = NAME, **payload: Any) -> Any:
    return dispatcher.app.signature(name, kwargs=payload, immutable=True, queue=QUEUE)


def in_chord(dispatcher: TaskDispatcher, part: Any) -> Any:
    body = task(dispatcher, echo="body")
    return chord([task(dispatcher, echo="good"), part], app=dispatcher.app)(body)


def fails(waiting: Any, words: str = "") -> None:
    eventually(lambda: waiting.status == "FAILURE", 40)
    assert isinstance(waiting.result, ChordError)
    assert words in str(waiting.result)


def test_a_part_whose_workers_die_fails_its_chord(worker: RunningProcess, dispatcher: TaskDispatcher) -> None:
    fails(in_chord(dispatcher, task(dispatcher, crash_times=9)), "its worker died each time it ran")
    eventually(lambda: not dispatcher.store.client.llen(keys.OWED), 20)


def test_a_part_that_expires_fails_its_chord(worker: RunningProcess, dispatcher: TaskDispatcher) -> None:
    fails(in_chord(dispatcher, task(dispatcher).set(expires="2020-01-01T00:00:00+00:00")), "expired")


def test_a_part_of_unknown_type_fails_its_chord(
    worker: RunningProcess, dispatcher: TaskDispatcher, broker_url: str
) -> None:
    waiting = in_chord(dispatcher, task(dispatcher, "unheard.of"))
    queue = LeaseQueue(connect(broker_url, as_bytes=True), QUEUE)

    def given_up() -> bool:
        for held in queue.client.zrange(queue.keys.delayed, 0, -1):
            queue.client.zadd(queue.keys.delayed, {held: 1}, xx=True)  # its pause is over
            queue.client.rpush(queue.keys.bell, b"\x01")
        return queue.size().counters["dead"] == 1

    eventually(given_up, 40)
    fails(waiting, "no worker knew its task type")


def test_a_part_that_is_cancelled_while_it_waits_fails_its_chord(
    worker: RunningProcess, dispatcher: TaskDispatcher, tmp_path: Path
) -> None:
    busy = [task(dispatcher, until_file=str(tmp_path / "go")).apply_async() for _ in range(2)]
    eventually(lambda: all(dispatcher.get(one.id).state == "running" for one in busy), 20)
    part = task(dispatcher).set(task_id="the-part")
    waiting = in_chord(dispatcher, part)
    assert dispatcher.cancel("the-part") == "cancelled"
    (tmp_path / "go").touch()
    fails(waiting)


def test_a_part_past_its_hard_limit_fails_its_chord(
    worker: RunningProcess, dispatcher: TaskDispatcher, tmp_path: Path
) -> None:
    endless = task(dispatcher, until_file=str(tmp_path / "never")).set(time_limit=1, priority=0)
    fails(in_chord(dispatcher, endless))


def test_the_rest_of_a_chain_and_the_errbacks_are_told(worker: RunningProcess, dispatcher: TaskDispatcher) -> None:
    errback = task(dispatcher, "meetingtasks.media.transcode").set(task_id="errback", queue="media_tasks")
    first = task(dispatcher, crash_times=9).set(link_error=errback)
    rest = chain(first, task(dispatcher), app=dispatcher.app).apply_async()
    eventually(lambda: rest.status == "FAILURE", 40)
    eventually(lambda: dispatcher.store.get("errback"), 20)


def test_an_end_that_cannot_be_told_does_not_hold_up_the_others(dispatcher: TaskDispatcher) -> None:
    client = dispatcher.store.client
    client.rpush(keys.OWED, "not json", '{"id": "gone", "chord": {}}')
    assert aftermath.tell(dispatcher.app) == 2
    assert client.exists(keys.OWED, keys.TELLING) == 0


def test_only_one_worker_tells_at_a_time(dispatcher: TaskDispatcher) -> None:
    client = dispatcher.store.client
    client.rpush(keys.OWED, "{}")
    client.set(keys.TELLING, "1", px=60_000)
    assert aftermath.tell(dispatcher.app) == 0
    assert client.llen(keys.OWED) == 1


def test_a_message_that_nobody_waits_for_leaves_no_note(dispatcher: TaskDispatcher, broker_url: str) -> None:
    with dispatcher.store.client.pipeline(transaction=True) as pipe:
        COMPANION.on_dead(pipe, {"headers": {"id": "t1"}, "body": "rubbish"}, "rejected")
        assert len(pipe) == 1
