import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu import Connection

from meetingtasks.embedded import EmbeddedServer
from meetingtasks.embedded import server as module
from meetingtasks.errors import EmbeddedServerError
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess, is_running

StartPython = Callable[..., RunningProcess]
OWNER = """
import sys, threading
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.embedded import server as module
server = EmbeddedServer(sys.argv[1] or None)
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print("pid", server.pid, server.directory, flush=True)
threading.Event().wait()
"""
FORKING_OWNER = """
import os, redis
from meetingtasks.embedded import EmbeddedServer
with EmbeddedServer() as server:
    if (child := os.fork()) == 0:
        server.stop()
        os._exit(0)
    os.waitpid(child, 0)
    redis.Redis.from_url(server.client_url).ping()
"""


@pytest.fixture(params=[None, 0], ids=["socket", "port"])
def any_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(port=request.param) as running:
        yield running


def client(server: EmbeddedServer, database: int = 0) -> redis.Redis:
    return redis.Redis.from_url(server.client_url_of(database), decode_responses=True)


def test_redis_py_and_kombu_and_celery_reach_the_same_database(any_server: EmbeddedServer) -> None:
    with Connection(any_server.url_of(3)) as broker:
        broker.SimpleQueue("letters").put("hello")
    app = Celery(broker=any_server.url_of(3), backend=any_server.url_of(3), set_as_current=False)
    app.backend.set("a-result", "kept")

    with client(any_server, 3) as here, client(any_server, 0) as elsewhere:
        assert here.llen("letters") == 1
        assert here.get("a-result") == "kept"
        assert elsewhere.dbsize() == 0
    app.backend.client.connection_pool.disconnect()
    app.close()


def test_it_never_evicts_and_writes_every_change_to_disk(server: EmbeddedServer) -> None:
    with client(server) as redis_client:
        assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis_client.config_get("appendonly") == {"appendonly": "yes"}
        assert redis_client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_nobody_else_may_open_the_socket_or_read_the_data(server: EmbeddedServer) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in server.directory.iterdir()}

    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    assert modes["server.sock"] == 0o700
    assert modes["server.conf"] == 0o600
    assert modes["appendonlydir"] & 0o077 == 0


def test_a_port_asks_for_a_password_and_is_on_loopback_only() -> None:
    with EmbeddedServer(port=0) as running:
        with client(running) as redis_client:
            port = redis_client.connection_pool.connection_kwargs["port"]
            assert redis_client.config_get("bind") == {"bind": "127.0.0.1"}
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(100).startswith(b"-NOAUTH")


def test_what_was_written_survives_a_kill(any_server: EmbeddedServer) -> None:
    with client(any_server) as redis_client:
        redis_client.set("accepted", "yes")
        url, pid = any_server.url, any_server.pid
        any_server.kill()
        assert not is_running(pid)

        assert any_server.restart() == url
        assert any_server.pid != pid
        assert redis_client.get("accepted") == "yes"


def test_a_given_directory_keeps_the_data_between_two_servers(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data") as first, client(first) as redis_client:
        redis_client.set("kept", "yes")
    with EmbeddedServer(tmp_path / "data") as second, client(second) as redis_client:
        assert redis_client.get("kept") == "yes"
    assert (tmp_path / "data" / "server.log").exists()


def test_a_private_directory_is_removed_at_the_end() -> None:
    with EmbeddedServer() as running:
        directory = running.directory
    assert not directory.exists()


def test_a_directory_too_long_for_a_socket_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / 'with a space %41 and "quotes"'
    with EmbeddedServer(deep) as running:
        with client(running) as redis_client:
            assert redis_client.ping()
        assert running.directory == deep
        place = Path(redis_client.connection_pool.connection_kwargs["path"]).parent
        assert not place.is_relative_to(deep)
    assert not place.exists()


def test_two_servers_never_share_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetingtasks.embedded.probe.LOCK_WITHIN_S", 0.1)
    with EmbeddedServer(tmp_path), pytest.raises(EmbeddedServerError, match="another embedded server runs"):
        EmbeddedServer(tmp_path).start()


def test_an_end_at_the_start_shows_the_servers_own_words(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no-such-setting"):
        EmbeddedServer(tmp_path, settings={"no-such-setting": "1"}).start()


def test_a_taken_port_is_an_error_when_it_was_asked_for_by_number() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(EmbeddedServerError, match="Failed listening on port"),
    ):
        EmbeddedServer(port=taken.getsockname()[1]).start()


def test_a_free_port_that_was_taken_in_between_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    real, offered = module.free_port, []
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def first_the_taken_one() -> int:
            offered.append(real() if offered else taken.getsockname()[1])
            return offered[-1]

        monkeypatch.setattr(module, "free_port", first_the_taken_one)
        with EmbeddedServer(port=0) as running, client(running) as redis_client:
            assert redis_client.ping()
    assert len(offered) == 2


@pytest.mark.chaos
@pytest.mark.parametrize("own_directory", [True, False])
def test_it_ends_with_an_owner_that_is_killed(start_python: StartPython, tmp_path: Path, own_directory: bool) -> None:
    directory = str(tmp_path / "data") if own_directory else ""
    owner = start_python(OWNER, directory, env={"TMPDIR": str(tmp_path)})  # what a killed owner leaves goes too
    _, pid, *_ = owner.wait_for_line("pid").split()
    assert is_running(int(pid)), "a server must outlive the thread that started it"

    owner.send(signal.SIGKILL)

    eventually(lambda: not is_running(int(pid)))


@pytest.mark.chaos
def test_a_directory_is_taken_over_at_once_from_a_killed_owner(start_python: StartPython, tmp_path: Path) -> None:
    owner = start_python(OWNER, str(tmp_path))
    owner.wait_for_line("pid")
    owner.send(signal.SIGKILL)
    with EmbeddedServer(tmp_path) as running, client(running) as redis_client:
        assert redis_client.ping()


def test_a_forked_child_leaves_its_parents_server_running(start_python: StartPython) -> None:
    process = start_python(FORKING_OWNER)
    assert process.wait(20) == 0, process.output


def test_start_twice_is_one_server(server: EmbeddedServer) -> None:
    pid = server.pid
    threading.Thread(target=server.start).run()
    assert server.pid == pid


def test_a_server_that_is_not_started_says_so() -> None:
    idle = EmbeddedServer()
    for question in ("pid", "url", "client_url", "directory"):
        with pytest.raises(EmbeddedServerError, match=r"not (running|started)"):
            getattr(idle, question)
    idle.stop()
