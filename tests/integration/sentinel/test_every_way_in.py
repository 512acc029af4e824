"""Every part of the platform finds the master by its sentinels; ``strict`` accepts nothing that no replica has."""

import os
import signal
import sys
from collections.abc import Callable

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable
from meetingtasks.queue_manager import QueueManager
from meetingtasks.queues import Queues
from meetingtasks.settings import load
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess
from tests.support.sentinels import Sentinels

REQUEST = {"type": "custom_task_type_1", "payload": {"echo": "hello"}, "metadata": {"n": 1}}


def test_queues_deliveries_and_the_command_line_find_the_master(
    sentinels: Sentinels, start_process: Callable[..., RunningProcess]
) -> None:
    settings = load(broker_url=sentinels.url)
    with (
        TaskDispatcher(settings=settings) as dispatcher,
        QueueManager(redis_url=sentinels.url, queue_name="q1") as manager,
    ):
        accepted = dispatcher.dispatch(REQUEST)
        queues = Queues(settings)
        assert queues.show("custom_tasks")["queue_length"] == 1
        assert queues.explain(accepted.task_id)["place"] == "ready"
        assert queues.purge("custom_tasks") == 1
        # Celery's own results come by the same server
        assert dispatcher.app.AsyncResult(accepted.task_id).status == "REVOKED"
        manager.push("t1", {"n": 1})
        pulled = manager.pull(timeout=5)
        assert pulled is not None
        command = [sys.executable, "-m", "meetingtasks.cli", "status", accepted.task_id]
        told = start_process(command, env={"MT_BROKER_URL": sentinels.url, "PYTHONPATH": str(ROOT)})
        assert told.wait() == 0, told.output
        assert "cancelled" in told.output


def test_strict_accepts_only_what_a_replica_has(sentinels: Sentinels) -> None:
    (replica,) = [server for port, server in sentinels.servers.items() if port != sentinels.master()]
    with (
        TaskDispatcher(settings=load(broker_url=sentinels.url, durability="strict")) as strict,
        TaskDispatcher(settings=load(broker_url=sentinels.url)) as fast,
    ):
        first = strict.dispatch(REQUEST)
        os.kill(replica.pid, signal.SIGSTOP)
        assert fast.dispatch(REQUEST).task_id
        with pytest.raises(BrokerUnavailable, match="0 of 1 replicas have confirmed"):
            strict.dispatch(REQUEST)
        os.kill(replica.pid, signal.SIGCONT)
        eventually(lambda: sentinels.client(sentinels.master()).wait(1, 1000), 20)
        last = strict.dispatch(REQUEST)
        # what the companion took out of the message for the first try was there for the last
        ids = strict.store.live_ids()
        assert {first.task_id, last.task_id} < set(ids)
        assert len(ids) == 4
        assert {strict.get(task_id).metadata["n"] for task_id in ids} == {1}


def test_a_server_that_forgot_its_scripts_gets_the_whole_record(sentinels: Sentinels) -> None:
    with TaskDispatcher(settings=load(broker_url=sentinels.url)) as dispatcher:
        dispatcher.dispatch(REQUEST)
        sentinels.client(sentinels.master()).script_flush()
        second = dispatcher.dispatch({**REQUEST, "user_id": 7})
        assert dispatcher.get(second.task_id).payload == {"echo": "hello"}
        assert dispatcher.get(second.task_id).user_id == 7
