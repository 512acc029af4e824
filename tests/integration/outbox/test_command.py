"""``meetingtasks outbox``: what is kept can be seen, sent on and dropped, whether the broker is there or not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.cli.main import run
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.settings import load
from meetingtasks.states import TaskState
from tests.integration.outbox.test_dispatching import REQUEST

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def mt(
    broker: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Run a command with ``--json`` in this process and return its exit code and its document."""
    monkeypatch.setenv("MT_BROKER_URL", broker.url)
    monkeypatch.setenv("MT_OUTBOX_PATH", str(tmp_path / "outbox"))

    def call(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run(["outbox", *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def kept(broker: EmbeddedServer, tmp_path: Path) -> tuple[TaskDispatcher, list[str]]:
    """Stop the broker and keep two tasks that nobody sends on."""
    dispatcher = TaskDispatcher(settings=load(broker_url=broker.url, outbox_path=tmp_path / "outbox"))
    assert dispatcher.outbox is not None
    dispatcher.outbox._ensure_thread = lambda: None  # type: ignore[method-assign] # as in a process that has ended
    broker.kill()
    ids = [dispatcher.dispatch({**REQUEST, "priority": level}).task_id for level in ("low", "high")]
    return dispatcher, ids


def test_kept_tasks_are_listed_and_shown_while_the_broker_is_away(
    mt: Call, kept: tuple[TaskDispatcher, list[str]]
) -> None:
    dispatcher, (low, high) = kept
    code, listed = mt("list")
    assert (code, listed["counts"]["tasks"], [task["id"] for task in listed["tasks"]]) == (0, 2, [high, low])
    assert mt("show", low)[1]["payload"] == REQUEST["payload"]
    assert mt("show", low)[1]["state"] == "buffered"
    code, answer = mt("show", "nothing")
    assert (code, answer["error"]["code"]) == (1, "task_not_found")
    code, answer = mt("forward")
    assert (code, answer["error"]["code"]) == (3, "broker_unavailable")
    dispatcher.stop()


def test_kept_tasks_are_sent_on_by_command(
    mt: Call, kept: tuple[TaskDispatcher, list[str]], broker: EmbeddedServer
) -> None:
    dispatcher, ids = kept
    broker.restart()
    assert mt("forward") == (0, {"forwarded": 2})
    assert mt("forward") == (0, {"forwarded": 0})
    assert [dispatcher.get_status(task_id) for task_id in ids] == [TaskState.PENDING] * 2
    dispatcher.stop()


def test_kept_tasks_are_dropped_by_command(mt: Call, kept: tuple[TaskDispatcher, list[str]]) -> None:
    assert mt("purge", "--yes") == (0, {"purged": 2})
    assert mt("list")[1]["counts"] == {"tasks": 0, "bytes": 0, "oldest_ms": None}
    kept[0].stop()


def test_an_outbox_that_is_off_says_so(mt: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_OUTBOX_PATH", "off")
    code, answer = mt("list")
    assert (code, answer["error"]["code"]) == (2, "settings_invalid")
