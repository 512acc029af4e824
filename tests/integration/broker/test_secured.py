"""The fleet on a secured server: users with least rights by the shipped file, and TLS."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded.binary import find
from meetingtasks.states import TaskState
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

USERS = ROOT / "deploy" / "redis" / "users.acl"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start_server(tmp_path: Path, start_process: Callable[..., RunningProcess]) -> Callable[..., int]:
    def start(*options: str, tls: bool = False) -> int:
        port = free_port()
        listen = ["--tls-port", str(port), "--port", "0"] if tls else ["--port", str(port)]
        command = [str(find()), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", "", *listen, *options]
        server = start_process(command)
        eventually(lambda: "eady to accept connections" in server.output or server.popen.poll() is not None, 10)
        if tls and server.popen.poll() is not None:
            pytest.skip(f"this server was built without TLS: {server.output[-200:]}")
        return port

    return start


@pytest.fixture
def acl_port(start_server: Callable[..., int], tmp_path: Path) -> int:
    (tmp_path / "users.acl").write_text(USERS.read_text())
    return start_server("--aclfile", "users.acl")


def run_one_task(url: str, start_process: Callable[..., RunningProcess]) -> TaskState:
    env = {"MT_BROKER_URL": url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample_service", "worker", "-c", "2", "-E"]
    worker = start_process([*command, "-l", "INFO"], env=env)
    worker.wait_for_line("ready.")
    with TaskDispatcher(url) as dispatcher:
        request = {"type": "custom_task_type_1", "payload": {"fail_times": 1, "steps": 2}}
        ended = dispatcher.dispatch_and_wait(request, 30)
        assert dispatcher.app.control.inspect(timeout=5).ping()
        dispatcher.app.control.purge()
    assert "NOPERM" not in worker.output
    return ended.status


def test_a_whole_task_runs_with_the_rights_of_the_shipped_users(
    acl_port: int, start_process: Callable[..., RunningProcess]
) -> None:
    url = f"redis://mt-fleet:change-me-fleet@127.0.0.1:{acl_port}/0"
    assert run_one_task(url, start_process) is TaskState.COMPLETED


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("mt-fleet", ("FLUSHALL",)),
        ("mt-fleet", ("CONFIG", "GET", "*")),
        ("mt-fleet", ("KEYS", "*")),
        ("mt-fleet", ("SHUTDOWN",)),
        ("mt-fleet", ("SCRIPT", "FLUSH")),
        ("mt-fleet", ("GET", "session:of:another:system")),
        ("mt-fleet", ("ACL", "LIST")),
        ("mt-monitor", ("DEL", "mt:counts")),
        ("mt-monitor", ("EVAL", "return 1", "0")),
        ("mt-monitor", ("PUBLISH", "mt:x", "1")),
    ],
)
def test_what_a_user_does_not_need_is_refused(user: str, command: tuple[str, ...], acl_port: int) -> None:
    password = f"change-me-{user.removeprefix('mt-')}"
    client = redis.Redis(port=acl_port, username=user, password=password)
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_nobody_comes_in_without_a_name(acl_port: int) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=acl_port).ping()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, cert = tmp_path / "server.key", tmp_path / "server.crt"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)]
    subprocess.run([*make, "-out", str(cert), *names], check=True, capture_output=True)
    return key, cert


def test_a_whole_task_runs_over_tls(
    certificate: tuple[Path, Path], start_server: Callable[..., int], start_process: Callable[..., RunningProcess]
) -> None:
    key, cert = certificate
    options = ["--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(cert)]
    port = start_server(*options, "--tls-auth-clients", "no", tls=True)
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={cert}&ssl_cert_reqs=required"
    assert run_one_task(url, start_process) is TaskState.COMPLETED
