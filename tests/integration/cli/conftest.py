"""The command line against a real server, in this process or in one of its own."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meetingtasks import settings
from meetingtasks.cli.main import run
from meetingtasks.dispatcher import TaskDispatcher
from tests.support.processes import ROOT, RunningProcess


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its standard output, which must be one JSON document."""
        return json.loads(self.out)


@pytest.fixture
def mt(
    broker_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Answer]:
    """Run a command in this process, on an empty server, in an empty directory."""
    monkeypatch.setenv("MT_BROKER_URL", broker_url)
    monkeypatch.chdir(tmp_path)
    settings.current.cache_clear()

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def mt_process(
    broker_url: str, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> Callable[..., RunningProcess]:
    """Run a command in a process of its own."""

    def start(*arguments: str, **environment: str) -> RunningProcess:
        env = {"MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT), **environment}
        return start_process([sys.executable, "-m", "meetingtasks.cli", *arguments], env=env, cwd=tmp_path)

    return start


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[TaskDispatcher]:
    with TaskDispatcher(broker_url) as running:
        yield running


@pytest.fixture
def custom_worker(mt_process: Callable[..., RunningProcess]) -> RunningProcess:
    """Run a worker of the sample service, started by the command under test."""
    worker = mt_process(
        *("worker", "tests.support.sample_service", "-Q", "custom_tasks", "--pool", "threads", "-c", "2"),
        MT_RETRY_BASE_S="0.05",
    )
    worker.wait_for_line("ready.")
    return worker


@pytest.fixture
def nobody() -> str:
    """Give an address where nobody listens."""
    return "redis://user:CANARY@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _current_settings() -> Iterator[None]:
    yield
    settings.current.cache_clear()
