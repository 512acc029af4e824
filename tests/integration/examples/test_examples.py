"""Every example runs as its reader would run it, and prints what it promises."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.fleet import Fleet
from tests.support.processes import ROOT, RunningProcess
from tests.support.service_workers import start_worker

EXAMPLES = {path.stem for path in (ROOT / "examples").glob("*.py")}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run what `make up` runs, as far as the examples ask for it."""
    with Fleet(tmp_path_factory.mktemp("storage")) as running:
        for service in ("meeting", "media", "ai"):
            running.start(service)
        yield running


def run(*program: str, **environment: str) -> str:
    """Return what a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_submit_and_wait(fleet: Fleet) -> None:
    printed = run("examples/submit_and_wait.py", **fleet.env)
    assert "delay: positive" in printed
    assert "dispatcher: completed negative by ai-" in printed


def test_batch(fleet: Fleet) -> None:
    printed = run("examples/batch.py", **fleet.env)
    assert "refused: unknown task type 'emotion_detecton'; did you mean" in printed
    assert "30 of 31 completed" in printed


def test_recording_to_minutes(fleet: Fleet) -> None:
    printed = run("examples/recording_to_minutes.py", **fleet.env)
    percents = [float(line.split()[0]) for line in printed.splitlines() if " %  " in line]
    assert percents == sorted(percents)
    assert "coverage 100%, engine pocketsphinx" in printed
    assert "\n# " in printed, "the minutes have a title"


def test_custom_service(start_process: Callable[..., RunningProcess], broker_url: str) -> None:
    start_worker(start_process, broker_url, "-Q", "custom_tasks", service="examples.custom_service")
    printed = run("-m", "examples.custom_service", MT_BROKER_URL=broker_url)
    assert "{'lines': ['Ada', 'Flaky Inc.'], 'attempt': 2}" in printed
    assert "'123' is no name" in printed
    by_route = run("-c", BY_ROUTE, MT_BROKER_URL=broker_url)
    assert "['Bob', '']" in by_route


BY_ROUTE = """
from meetingtasks import TaskDispatcher

with TaskDispatcher() as dispatcher:  # this process does not know the type
    dispatcher.register_route(
        {"service_name": "custom-service", "queue_name": "custom_tasks", "task_types": ["make_badge"]}
    )
    print(dispatcher.dispatch_and_wait({"type": "make_badge", "payload": {"name": "Bob"}}, 60).result["lines"])
"""


def test_message_queue(broker_url: str) -> None:
    printed = run("examples/message_queue.py", MT_BROKER_URL=broker_url)
    assert "{'greeting': 'Hello, Ada!', 'attempt': 1}" in printed
    assert "{'greeting': 'Hello, Bob!', 'attempt': 2}" in printed
    assert "'total_published': 2, 'total_processed': 2, 'total_retried': 1" in printed


def test_push_and_pull(broker_url: str) -> None:
    printed = run("examples/push_and_pull.py", MT_BROKER_URL=broker_url)
    assert "waiting: 3" in printed
    done = [line.removeprefix("done: ") for line in printed.splitlines() if line.startswith("done: ")]
    assert done == ["board_meeting", "stand_up", "weekly_sync"]


def test_local_events() -> None:
    printed = run("examples/local_events.py")
    assert "stream_started stream_123 from media_service" in printed
    assert "stream.started stream_124 from media_service" in printed
    assert "'total_emitted': 2, 'total_processed': 2" in printed


def test_the_programs_in_the_readme(fleet: Fleet) -> None:
    sound = fleet.storage.put(ROOT / "samples" / "second.flac", "uploads/meeting.flac").url
    given = {"redis://127.0.0.1:6379/0": fleet.server.url, "file:///srv/recordings/call.wav": sound}
    programs = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    printed = []
    for program in programs:
        for said, here in given.items():
            program = program.replace(said, here)  # noqa: PLW2901 - the same program, here
        printed.append(run("-c", program, **fleet.env))
    assert "this is a" in printed[0]
    assert "pending" in printed[1]
    assert "minutes.json" in printed[1]


def test_every_example_has_its_test_and_is_listed() -> None:
    assert {name.removeprefix("test_") for name in globals() if name.removeprefix("test_") in EXAMPLES} == EXAMPLES
    listed = (ROOT / "examples" / "README.md").read_text()
    assert [name for name in EXAMPLES if f"| `{name}.py` |" not in listed] == []
