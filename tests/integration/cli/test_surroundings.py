"""Commands in bad company: a dead broker, a reader who leaves, Ctrl-C, narrow and old terminals, wrong settings."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from meetingtasks.embedded import EmbeddedServer
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess, is_running

TYPE = "custom_task_type_1"
COMMANDS_THAT_ASK = [
    ("status",),
    ("submit", TYPE),
    ("watch", "x"),
    ("result", "x"),
    ("cancel", "x"),
    ("rerun", "x", "--from", "minutes"),
    ("routes",),
    ("routes", "remove", "x"),
]


@pytest.fixture(scope="module")
def guarded() -> Iterator[EmbeddedServer]:
    """Run a server with a password."""
    with EmbeddedServer(port=0) as server:
        yield server


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"redis://:CANARY@127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.parametrize("arguments", COMMANDS_THAT_ASK, ids=" ".join)
def test_row_41_a_broker_that_is_down_is_told_with_the_way_out(
    arguments: tuple[str, ...], mt: Callable, nobody: str
) -> None:
    started = time.monotonic()
    answer = mt(*arguments, "--broker-url", nobody, "--json")
    assert time.monotonic() - started < 5
    assert (answer.code, answer.document["error"]["code"]) == (3, "broker_unavailable")
    assert "Connection refused" in answer.err
    assert "meetingtasks up" in answer.err
    assert "CANARY" not in answer.out + answer.err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:6379", "start it with one of redis://"),
        ("http://:CANARY@localhost", "start it with one of redis://"),
        ("redis://:CANARY@127.0.0.1:99999/0", "99999|[Pp]ort"),
        ("redis://:CANARY@no-such-host.invalid:6379/0", "no-such-host.invalid.*(not known|resolution)"),
        ("amqp://guest:CANARY@127.0.0.1:1//", "store_url: must be set"),
        ("redis+socket:///no/such/server.sock?virtual_host=0", "No such file"),
        ("redis://[::1", "."),
    ],
)
def test_row_41_a_wrong_address_is_told_within_five_seconds(url: str, told: str, mt: Callable) -> None:
    started = time.monotonic()
    answer = mt("status", "--broker-url", url)
    assert time.monotonic() - started < 5
    assert answer.code == 3
    assert re.search(told, answer.err)
    assert "CANARY" not in answer.err


def test_row_41_a_wrong_password_or_database_or_tls_is_told(mt: Callable, guarded: EmbeddedServer) -> None:
    right = guarded.url
    wrong = re.sub(r":[^:@/]+@", ":" + quote("CANARY") + "@", right)
    for url, told in (
        (wrong, "invalid username-password|WRONGPASS"),
        (re.sub(r"/0$", "/99", right), "out of range"),
        (right.replace("redis://", "rediss://"), "does it speak TLS"),
    ):
        started = time.monotonic()
        answer = mt("status", "--broker-url", url)
        assert time.monotonic() - started < 5
        assert answer.code == 3
        assert re.search(told, answer.err), answer.err
        assert "CANARY" not in answer.err
    assert mt("status", "--broker-url", right).code == 0


def test_row_41_a_broker_that_never_answers_is_given_up_within_five_seconds(mt: Callable, silent: str) -> None:
    started = time.monotonic()
    answer = mt("status", "--broker-url", silent)
    assert time.monotonic() - started < 5
    assert answer.code == 3
    assert "did not answer within" in answer.err
    assert "CANARY" not in answer.err


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("MT_BROKER_ULR=redis://localhost", "did you mean MT_BROKER_URL"),
        ("MT_LEASE_S=abc", "lease_s: Input should be a valid number"),
        ("MT_RENEW_S=5", "renew_s: must be at most a third of lease_s"),
        ("MT_CONCURRENCY=-1", "concurrency: Input should be greater than or equal to 0"),
        ("MT_LOG_LEVEL=LOUD", "log_level: Input should be 'DEBUG'"),
        ("MT_CONFIG=/no/such/file.yaml", "there is no file /no/such/file.yaml"),
        ("MT_CONFIG=/", "there is no file /"),
    ],
)
@pytest.mark.parametrize("command", ["status", "up", "worker user"])
def test_rows_40_and_42_a_wrong_setting_exits_with_2_and_names_it(
    command: str, variable: str, told: str, mt: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable.split("=", 1))
    answer = mt(*command.split())
    assert answer.code == 2
    assert told.casefold() in answer.err.casefold()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"broker_ulr: redis://localhost\n", "did you mean broker_url"),
        (b"lease_s: [1]\n", "lease_s"),
        (b"lease_s:\t5\n", "settings.yaml"),
        (b"\xff\xfe\x00", "settings.yaml"),
        (b"just words\n", "settings.yaml"),
        (b"#" * 2_000_000, "settings.yaml: is larger than"),
        (
            b"a: &a [x, x]\n" + b"".join(b"%c: &%c [%s]\n" % (n, n, b"*%c, " % (n - 1) * 99) for n in range(98, 108)),
            "a:",
        ),
    ],
)
def test_row_40_a_wrong_settings_file_exits_with_2_and_names_what_is_wrong(
    content: bytes, told: str, mt: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    monkeypatch.setenv("MT_CONFIG", str(file))
    answer = mt("status")
    assert answer.code == 2
    assert told in answer.err


def test_row_42_an_unknown_queue_exits_with_2_and_lists_the_known_ones(mt: Callable) -> None:
    answer = mt("worker", "tests.support.sample_service", "-Q", "custom_tasks,lunch")
    assert answer.code == 2
    assert "there is no queue 'lunch'" in answer.err
    assert "ai_tasks" in answer.err


def test_row_43_a_reader_who_leaves_is_no_error(mt: Callable, broker_url: str, tmp_path: Path) -> None:
    for _ in range(20):
        mt("submit", TYPE)
    line = f'"{sys.executable}" -m meetingtasks.cli status --json; echo "code $?" >&2'
    env = {**os.environ, "MT_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT)}
    script = f"set -o pipefail; {{ {line}; }} | true"
    done = subprocess.run(["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "code 0\n"


@pytest.mark.parametrize("arguments", [("watch",), ("watch", "--json")], ids=" ".join)
def test_row_43_ctrl_c_exits_with_130_and_the_task_goes_on(
    arguments: tuple[str, ...], mt: Callable, mt_process: Callable[..., RunningProcess]
) -> None:
    task_id = mt("submit", TYPE).out.strip()
    watching = mt_process(arguments[0], task_id, *arguments[1:])
    watching.wait_for_line("pending")
    watching.send(signal.SIGINT)
    assert watching.wait() == 130
    assert "Traceback" not in watching.output
    assert mt("status", task_id, "--json").document["task"]["state"] == "pending"


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"COLUMNS": "40", "TERM": "dumb"},
        {"NO_COLOR": "1"},
    ],
    ids=",".join,
)
def test_row_43_old_and_narrow_terminals_show_everything(
    environment: dict[str, str], mt: Callable, broker_url: str, start_python: Callable[..., RunningProcess]
) -> None:
    task_id = mt("submit", TYPE, "--meeting", "会议🎉", "--payload", '{"text": "你好"}').out.strip()
    # one process for all: starting Python and Celery costs more than the commands
    code = "import sys; from meetingtasks.cli.main import run; sys.exit(any(run(a.split()) for a in sys.argv[1:]))"
    commands = ("status", f"status {task_id}", "routes", f"status {task_id} --json")
    process = start_python(code, *commands, env={"MT_BROKER_URL": broker_url, **environment})
    assert process.wait(60) == 0, process.output
    document = json.loads(process.output[process.output.index("\n{\n") :])
    assert document["task"]["meeting_id"] == "会议🎉"


def test_row_43_on_a_narrow_terminal_ids_stay_whole_and_no_color_is_heeded(
    mt: Callable, broker_url: str, tmp_path: Path
) -> None:
    task_id = mt("submit", TYPE).out.strip()
    environment = {"COLUMNS": "40", "TERM": "xterm-256color", "NO_COLOR": "1"}
    text = on_a_terminal(["status"], {"MT_BROKER_URL": broker_url, **environment}, tmp_path)
    assert not re.search(r"\x1b\[[349]\d", text)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert task_id in plain.splitlines()
    assert all(len(line) <= 40 for line in plain.splitlines()[1:])  # the first is a sentence, folded by the terminal
    text = on_a_terminal(["status"], {"MT_BROKER_URL": broker_url, **environment, "COLUMNS": "80"}, tmp_path)
    assert re.search(rf"^{task_id} ", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text), re.MULTILINE)


def test_on_a_terminal_progress_is_drawn_and_ends_with_the_result(
    mt: Callable, custom_worker: RunningProcess, broker_url: str, tmp_path: Path
) -> None:
    environment = {"MT_BROKER_URL": broker_url, "COLUMNS": "80", "TERM": "xterm-256color"}
    text = on_a_terminal(
        ["submit", TYPE, "--payload", '{"steps": 3, "echo": 5}', "--wait", "20"], environment, tmp_path
    )
    assert "█" in text
    assert '"echo": 5' in text


def test_row_44_a_port_in_use_is_told(mt: Callable, guarded: EmbeddedServer) -> None:
    port = re.search(r":(\d+)/", guarded.url)
    assert port is not None
    answer = mt("up", "--port", port[1], "--services", "user")
    assert answer.code == 1
    assert "in use" in answer.err


def test_a_worker_waits_for_its_broker_and_stops_cleanly(
    mt_process: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    with socket.socket() as reserved:  # a port at which nobody listens as long as it is bound
        reserved.bind(("127.0.0.1", 0))
        url = f"redis://:CANARY@127.0.0.1:{reserved.getsockname()[1]}/0"
        worker = mt_process("worker", "tests.support.sample_service", "--pool", "solo", MT_BROKER_URL=url)
        worker.wait_for_line("Trying again in")
        worker.send(signal.SIGTERM)
        eventually(lambda: not is_running(worker.pid) or worker.popen.poll() is not None, 20)
    assert "CANARY" not in worker.output
    assert "Traceback" not in worker.output


def test_a_workers_lines_have_fields_and_no_content(mt: Callable, mt_process: Callable[..., RunningProcess]) -> None:
    worker = mt_process("worker", "tests.support.sample_service", "--pool", "solo", MT_LOG_FORMAT="json")
    worker.wait_for_line("ready.")
    payload = '{"echo": "CANARY", "name": "CANARY"}'
    answer = mt("submit", TYPE, "--payload", payload, "--wait", "20", "--json")
    task_id = answer.document["task"]["id"]
    received = json.loads(worker.wait_for_line("the task was received"))
    returned = json.loads(worker.wait_for_line("the task's function returned"))
    assert received["task_id"] == returned["task_id"] == task_id
    assert "CANARY" not in worker.output


def on_a_terminal(arguments: list[str], environment: dict[str, str], directory: Path) -> str:
    """Run a command with a pseudo-terminal as all its streams; returns what appeared there."""
    leader, follower = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    child = subprocess.Popen(
        [sys.executable, "-m", "meetingtasks.cli", *arguments],
        stdin=follower, stdout=follower, stderr=follower, cwd=directory,
        env={**env, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    os.close(follower)
    seen: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # Linux says EIO when the last writer has gone
            while piece := os.read(leader, 4096):
                seen.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    assert child.wait(60) == 0
    reader.join(10)
    os.close(leader)
    return b"".join(seen).decode()
