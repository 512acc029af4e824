"""Real workers and tasks that end oddly: whatever happens, each task has one final state and everyone can read it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import chain

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.settings import Settings
from meetingtasks.states import Priority, TaskState
from meetingtasks.task import Service
from meetingtasks.task_types import CATALOGUE
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

TYPE, OTHER = "custom_task_type_1", "custom_task_type_2"


@pytest.fixture(scope="module")
def fleet() -> Iterator[TaskDispatcher]:
    """Run one worker for this file's tests, and a dispatcher for it."""
    with EmbeddedServer() as server, TaskDispatcher(server.url) as dispatcher:
        worker = worker_of(server)
        try:
            yield dispatcher
        finally:
            worker.close()


def worker_of(server: EmbeddedServer, **variables: str) -> RunningProcess:
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.core.odd_service", "worker", "-l", "INFO"]
    env = {"MT_BROKER_URL": server.url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(ROOT), **variables}
    worker = RunningProcess([*command, "-P", "threads", "-c", "4"], env=env)
    worker.wait_for_line("ready.", within_s=60)
    return worker


@pytest.fixture
def service(fleet: TaskDispatcher) -> Service:
    """Return the producer's side of the same service, for `.si` and `apply_async`."""
    found = Service("custom-service", queue="custom_tasks", settings=Settings(broker_url=fleet.app.conf.broker_url))
    for name in (TYPE, OTHER):
        found.declare(CATALOGUE.get(name), never_called)
    return found


def never_called(payload: object, ctx: object) -> None:
    """Stand for a function that only workers run."""


def task_of(service: Service, name: str) -> Any:
    return service.app.tasks[f"meetingtasks.custom.{name}"]


def test_b_01_the_result_is_what_the_handler_returned(fleet: TaskDispatcher) -> None:
    assert fleet.dispatch_and_wait({"type": TYPE, "payload": {"result": "nothing"}}, 30).result is None
    assert fleet.dispatch_and_wait({"type": TYPE, "payload": {"result": "keys"}}, 30).result == {"1": "one"}


@pytest.mark.parametrize("result", ["moment", "not_a_number", "set", "object", "half_character"])
def test_a_result_that_is_no_json_fails_the_task_at_once(fleet: TaskDispatcher, result: str) -> None:
    ended = fleet.dispatch_and_wait({"type": TYPE, "payload": {"result": result}}, 30)
    assert ended.status is TaskState.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "invalid_result"
    assert fleet.get(ended.task_id).attempt == 1


def test_a_result_above_the_limit_is_to_be_a_reference(fleet: TaskDispatcher) -> None:
    ended = fleet.dispatch_and_wait({"type": TYPE, "payload": {"result": "huge"}}, 30)
    assert ended.error is not None
    assert ended.error["code"] == "payload_too_large"
    assert "262144" in ended.error["message"]


def test_an_error_in_bad_unicode_is_readable_everywhere(fleet: TaskDispatcher) -> None:
    ended = fleet.dispatch_and_wait({"type": TYPE, "payload": {"fails": "badly_named"}}, 30)
    assert ended.error is not None
    assert ended.error["message"] == "cannot open call-\\udcff"
    failed = fleet.app.AsyncResult(ended.task_id)
    assert (failed.state, str(failed.result)) == ("FAILURE", "cannot open call-\\udcff")
    assert fleet.get(ended.task_id).dead


def test_d1_35_a_network_error_is_tried_four_times(fleet: TaskDispatcher) -> None:
    ended = fleet.dispatch_and_wait({"type": TYPE, "payload": {"fails": "network"}}, 30)
    record = fleet.get(ended.task_id)
    assert (record.attempt, record.retries, record.state) == (4, 3, TaskState.FAILED)
    assert [attempt.outcome for attempt in record.attempts] == ["retrying", "retrying", "retrying", "failed"]


def test_a_wish_to_be_left_alone_decides_when_the_retry_is_due(fleet: TaskDispatcher) -> None:
    accepted = fleet.dispatch({"type": TYPE, "payload": {"fails": "network", "wish_s": 600}})
    eventually(lambda: fleet.get_status(accepted.task_id) is TaskState.RETRYING, within_s=30)
    record = fleet.get(accepted.task_id)
    assert record.due_ms is not None
    assert record.started_ms is not None
    assert 599_000 < record.due_ms - record.started_ms < 630_000
    assert fleet.cancel(accepted.task_id) == "cancelled"


def test_g13_a_cancelled_task_that_fails_does_not_wait_for_a_retry(fleet: TaskDispatcher, tmp_path: Path) -> None:
    payload = {"until_file": str(tmp_path / "go"), "fails": "network", "wish_s": 600}
    accepted = fleet.dispatch({"type": TYPE, "payload": payload})
    eventually(lambda: fleet.get_status(accepted.task_id) is TaskState.RUNNING, within_s=30)
    assert fleet.cancel(accepted.task_id) == "running"
    (tmp_path / "go").touch()
    assert fleet.wait(accepted.task_id, 30).status is TaskState.CANCELLED
    record = fleet.get(accepted.task_id)
    assert (record.attempt, record.dead) == (1, False)


def test_no_retry_is_planned_past_the_start_by_time(fleet: TaskDispatcher) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    request = {"type": TYPE, "payload": {"fails": "network", "wish_s": 600}, "expires_at": soon}
    ended = fleet.dispatch_and_wait(request, 30)
    assert (ended.status, fleet.get(ended.task_id).attempt) == (TaskState.FAILED, 1)


def test_d4_10_a_reader_sees_the_newest_report_while_the_task_works(fleet: TaskDispatcher, tmp_path: Path) -> None:
    accepted = fleet.dispatch({"type": OTHER, "payload": {"until_file": str(tmp_path / "go")}})
    eventually(lambda: fleet.get_progress(accepted.task_id).percent == 50, within_s=30)
    assert fleet.get_progress(accepted.task_id).message == "正在生成内容..."
    (tmp_path / "go").touch()
    assert fleet.wait(accepted.task_id, 30).status is TaskState.COMPLETED


def test_celery_reads_when_a_task_ended(fleet: TaskDispatcher) -> None:
    ended = fleet.dispatch_and_wait({"type": TYPE}, 30)
    done = fleet.app.AsyncResult(ended.task_id).date_done
    assert done is not None
    assert abs(done - datetime.now(UTC)) < timedelta(minutes=5)


def test_celerys_own_options_are_on_the_record_as_well(service: Service, fleet: TaskDispatcher) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    options = {"queue": "io_intensive", "priority": 0, "eta": due, "expires": due + timedelta(hours=1)}
    sent = task_of(service, TYPE).apply_async(kwargs={"n": 1}, headers={"mine": "kept"}, **options)
    record = fleet.get(sent.id)
    assert (record.queue, record.priority, record.state) == ("io_intensive", Priority.CRITICAL, TaskState.SCHEDULED)
    assert record.eta_ms == round(due.timestamp() * 1000)
    assert record.expires_ms == record.eta_ms + 3_600_000
    with fleet.app.connection_for_read() as connection:
        stored: Any = connection.default_channel
        raw = b"".join(stored.raw.hvals("mq:{io_intensive}:messages"))
    assert b'"mine":"kept"' in raw
    fleet.cancel(sent.id)


def test_a_chain_goes_on_when_its_step_is_delivered_twice(service: Service, fleet: TaskDispatcher) -> None:
    second = task_of(service, TYPE).si(result="keys").set(task_id=str(uuid4()))
    # a worker that died after it had sent the second step, and before it had told the end of the first
    second.clone().apply_async()
    first = task_of(service, TYPE).si(result="nothing")
    result = chain(first, second)()
    assert result.get(timeout=30) == {"1": "one"}
    assert fleet.wait(result.parent.id, 30).status is TaskState.COMPLETED
    assert fleet.get(second.id).attempt == 1


def test_g2_a_task_that_ends_while_the_server_is_away_still_ends(tmp_path: Path) -> None:
    with EmbeddedServer() as server, TaskDispatcher(server.url) as dispatcher:
        worker = worker_of(server)
        try:
            payload = {"until_file": str(tmp_path / "go"), "result": "keys"}
            accepted = dispatcher.dispatch({"type": TYPE, "payload": payload})
            eventually(lambda: dispatcher.get_status(accepted.task_id) is TaskState.RUNNING, within_s=30)
            server.kill()
            (tmp_path / "go").touch()
            worker.wait_for_line("the end is told when it is back", within_s=30)
            server.restart()
            eventually(lambda: dispatcher.get_status(accepted.task_id) is TaskState.COMPLETED, within_s=60)
            assert dispatcher.get_result(accepted.task_id) == {"1": "one"}
        finally:
            worker.close()
