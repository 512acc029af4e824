import signal
from collections.abc import Callable
from pathlib import Path

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

TYPE = "custom_task_type_1"


def test_a_task_runs_over_a_server_that_we_did_not_configure(
    dispatcher: TaskDispatcher, start_worker: Callable[[], RunningProcess]
) -> None:
    start_worker()

    ended = dispatcher.dispatch_and_wait({"type": TYPE, "payload": {"echo": "hello"}}, 30)

    assert ended.status is TaskState.COMPLETED
    assert ended.result["echo"] == "hello"


def test_the_task_of_a_killed_worker_runs_elsewhere(
    dispatcher: TaskDispatcher, start_worker: Callable[[], RunningProcess], tmp_path: Path
) -> None:
    killed = start_worker()
    accepted = dispatcher.dispatch({"type": TYPE, "payload": {"until_file": str(tmp_path / "go")}})
    eventually(lambda: dispatcher.get_status(accepted.task_id) is TaskState.RUNNING)

    killed.send(signal.SIGKILL)
    (tmp_path / "go").touch()
    start_worker()

    assert dispatcher.wait(accepted.task_id, 30).status is TaskState.COMPLETED
