"""One post to a checked address: the connection is pinned, no redirect is followed, nobody is waited for too long."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.endpoint import Endpoint, endpoint
from workers.engines.webhook import Answer, Place, PostFailed, post


def place(url: str, **other: object) -> Place:
    parts = urlsplit(url)
    about = {"address": "127.0.0.1", "host": "hooks.invalid", "port": parts.port, "target": "/in?x=1", "has_tls": False}
    return Place(**{**about, **other})  # type: ignore[arg-type] # a test's shorthand


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def test_the_connection_goes_to_the_checked_address_whatever_the_name_stands_for(receiver: Endpoint) -> None:
    answer = post(place(receiver.url), b'{"a":1}', {"X-One": "1"})
    assert answer == Answer(200)
    (asked,) = receiver.asked
    assert (asked.path, asked.body, asked.headers["x-one"]) == ("/in?x=1", b'{"a":1}', "1")
    assert asked.headers["host"] == f"hooks.invalid:{urlsplit(receiver.url).port}"


def test_a_redirect_is_an_answer_and_not_followed(receiver: Endpoint) -> None:
    receiver.status, receiver.headers = 307, {"Location": f"{receiver.url}/elsewhere"}
    assert post(place(receiver.url), b"", {}).status == 307
    assert [asked.path for asked in receiver.asked] == ["/in?x=1"]


def test_the_other_sides_wish_for_time_is_told(receiver: Endpoint) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "30"}
    assert post(place(receiver.url), b"", {}) == Answer(429, 30.0)
    receiver.headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert post(place(receiver.url), b"", {}) == Answer(429)


def test_who_speaks_no_tls_gets_nothing(receiver: Endpoint) -> None:
    with pytest.raises(PostFailed):
        post(place(receiver.url, has_tls=True), b"secret", {})
    assert receiver.asked == []


def test_nobody_there_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PostFailed, match=r"hooks\.invalid cannot be reached"):
        post(place(f"http://127.0.0.1:{port}"), b"", {})


def test_a_silent_receiver_is_left(receiver: Endpoint) -> None:
    receiver.hold = threading.Event()
    with pytest.raises(PostFailed, match=r"no answer within|timed out"):
        post(place(receiver.url), b"", {}, timeout_s=0.2)


@contextmanager
def dripping() -> Iterator[str]:
    """Answer with one more byte again and again, and never to an end."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not done.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def test_a_receiver_that_drips_is_left_too() -> None:
    with dripping() as url, pytest.raises(PostFailed, match="no answer within"):
        post(place(url), b"", {}, timeout_s=0.3)
