"""Heads of requests that are too large, ambiguous or never end."""

import socket

import pytest

from meetingtasks.api import server


def exchange(url: str, raw: bytes) -> bytes:
    """Send bytes as they are and return all that comes until the server hangs up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as line:
        line.sendall(raw)
        found = b""
        while piece := line.recv(65536):
            found += piece
        return found


GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("raw", "answers"),
    [
        (GET + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n", [b"431"]),
        (GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", [b"400"]),
        (GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET + b"\r\n", [b"400"]),
        (GET + b"X-Bad: a\x00b\r\n\r\n", [b"400"]),
        (GET + b"X-Bad : a\r\n\r\n", [b"400"]),
        (b"GET /health/live\r\n\r\n", [b"400"]),
        (b"NONSENSE\r\n\r\n", [b"400"]),
        ((GET + b"\r\n") * 1000 + GET + b"Connection: close\r\n\r\n", [b"200"] * 1001),
    ],
    ids=["200 headers", "two lengths", "CL and TE", "NUL", "space", "HTTP/0.9", "no HTTP", "pipelined"],
)
def test_a_malformed_or_ambiguous_head_is_refused_and_the_connection_closed(
    url: str, raw: bytes, answers: list[bytes]
) -> None:
    found = exchange(url, raw)
    assert [part[:3] for part in found.split(b"HTTP/1.1 ")[1:]] == answers


def test_headers_of_more_than_32_kib_are_refused(url: str) -> None:
    found = exchange(url, GET + b"X-Large: " + b"x" * 70_000 + b"\r\n\r\n")
    assert found[9:12] in (b"400", b"431")  # the first, when they did not come at once


def test_who_never_ends_a_head_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.3)
    assert exchange(url, GET) == b""  # the server ends it; this side would wait for ever
