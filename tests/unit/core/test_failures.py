"""What kind of failure an exception is."""

import errno
import importlib.util
import os
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from email.message import Message
from http.client import IncompleteRead
from types import SimpleNamespace
from urllib.error import HTTPError, URLError

import av
import httpx2
import pytest
import redis
from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from kombu.exceptions import OperationalError

from meetingtasks import failures
from meetingtasks.clock import ManualClock
from meetingtasks.errors import BusinessError, InvalidPayload, NetworkError, ResourceError, TaskCancelled, TaskTimeout
from meetingtasks.failures import TRACEBACK_LIMIT, classify, describe, final_state, retry_after_s
from meetingtasks.foreign_failures import BY_NAME
from meetingtasks.states import ErrorClass, TaskState
from meetingtasks.store import client  # noqa: F401 - the store translates its own library's errors

NETWORK, TRANSIENT, RESOURCE, BUSINESS = ErrorClass


class Answered(Exception):
    """An HTTP library's error, which carries the response."""

    def __init__(self, status: object, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.response = SimpleNamespace(
            status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


class Reset(ConnectionResetError):
    """A subclass that nobody registered."""


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (ConnectionRefusedError("no"), NETWORK),
        (Reset("no"), NETWORK),
        (TimeoutError("slow"), NETWORK),
        (socket.gaierror(-2, "unknown name"), NETWORK),
        (ssl.SSLCertVerificationError("bad"), NETWORK),
        (OperationalError("broker away"), NETWORK),
        (redis.ConnectionError("store away"), NETWORK),
        (redis.TimeoutError("store slow"), NETWORK),
        (OSError(errno.ENOSPC, "disk full"), RESOURCE),
        (OSError(errno.EMFILE, "too many files"), RESOURCE),
        (BlockingIOError(errno.ENOMEM, "no memory"), RESOURCE),
        (MemoryError(), RESOURCE),
        (Answered(429), NETWORK),
        (Answered(503), NETWORK),
        (Answered(404), BUSINESS),
        (Answered(401), BUSINESS),
        (Answered(500), TRANSIENT),
        (Answered(None), TRANSIENT),
        (FileNotFoundError(errno.ENOENT, "gone"), BUSINESS),
        (PermissionError(errno.EACCES, "not yours"), BUSINESS),
        (OSError(errno.EROFS, "read-only"), RESOURCE),
        (OSError(errno.EIO, "the disk"), TRANSIENT),
        (HTTPError("http://x", 404, "gone", Message(), None), BUSINESS),
        (HTTPError("http://x", 503, "busy", Message(), None), NETWORK),
        (URLError("no route"), NETWORK),
        (IncompleteRead(b""), NETWORK),
        (redis.exceptions.LockError("held"), TRANSIENT),
        (redis.exceptions.OutOfMemoryError("full"), RESOURCE),
        (sqlite3.OperationalError("database is locked"), TRANSIENT),
        (sqlite3.IntegrityError("twice"), BUSINESS),
        (subprocess.TimeoutExpired("ffmpeg", 5), TRANSIENT),
        (av.error.InvalidDataError(1, "broken"), BUSINESS),
        (httpx2.ConnectTimeout("slow"), NETWORK),
        (httpx2.InvalidURL("no address"), BUSINESS),
        (ValueError("a fault in the code"), TRANSIENT),
        (NetworkError("x"), NETWORK),
        (InvalidPayload("x"), BUSINESS),
        (WorkerLostError("killed"), TRANSIENT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_a_failure_is_classed_by_the_type_of_its_exception(error: BaseException, error_class: ErrorClass) -> None:
    assert classify(error) is error_class


def test_an_exception_of_ones_own_says_its_class_itself() -> None:
    class Busy(Exception):
        error_class = ErrorClass.RESOURCE

    assert classify(Busy()) is RESOURCE


@pytest.fixture
def registered() -> Iterator[type[Exception]]:
    class Foreign(Exception):
        """Another library's error."""

    failures.register(Foreign, ErrorClass.RESOURCE, code="gpu_lost")
    yield Foreign
    failures._classes.pop(Foreign)
    failures._codes.pop(Foreign)


def test_the_table_can_be_extended_and_what_derives_inherits(registered: type[Exception]) -> None:
    derived = type("Derived", (registered,), {})
    assert classify(derived("x")) is RESOURCE
    assert describe(derived("x")).code == "gpu_lost"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TaskCancelled("x"), TaskState.CANCELLED),
        (BusinessError("stopped in an engine", code="cancelled"), TaskState.CANCELLED),
        (TaskTimeout("x"), TaskState.TIMEOUT),
        (SoftTimeLimitExceeded(), TaskState.TIMEOUT),
        (TimeLimitExceeded(5), TaskState.TIMEOUT),
        (TimeoutError("a socket's, not the task's"), TaskState.FAILED),
        (ResourceError("x"), TaskState.FAILED),
        (WorkerLostError("x"), TaskState.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_the_last_failure_decides_the_final_state(error: BaseException, state: TaskState) -> None:
    assert final_state(error) is state


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SoftTimeLimitExceeded(), "timeout"),
        (WorkerLostError("x"), "worker_lost"),
        (MemoryError(), "out_of_memory"),
        (NetworkError("x", code="dns"), "dns"),
        (ValueError("x"), "error"),
        (SystemExit(3), "exit"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_the_description_carries_a_code(error: BaseException, code: str) -> None:
    assert describe(error).code == code


def test_a_description_is_trimmed_and_keeps_the_end_of_the_traceback() -> None:
    text = "first line\n" + "x" * 100_000 + "\nlast line"
    described = describe(RuntimeError("数" * 100_000), traceback_text=text)
    assert len(described.message) == 2000
    assert len(described.traceback) == TRACEBACK_LIMIT
    assert described.traceback.endswith("last line")
    assert (described.exc_type, described.exc_module) == ("RuntimeError", "builtins")


def test_an_error_without_words_is_described_by_its_type() -> None:
    assert describe(KeyError()).message == "KeyError"


def test_a_refused_input_has_no_traceback_and_keeps_its_details() -> None:
    described = describe(InvalidPayload("bad", fields=[{"field": "/payload/x"}]), traceback_text="noise")
    assert described.traceback == ""
    assert described.details == {"fields": [{"field": "/payload/x"}]}


def test_text_that_is_not_unicode_is_made_readable() -> None:
    name = os.fsdecode(b"call-\xff.wav")
    assert describe(BusinessError(f"cannot open {name}")).message == "cannot open call-\\udcff.wav"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (NetworkError("x", retry_after_s=7), 7.0),
        (Answered(429, Retry_After="120"), 120.0),
        (Answered(429, Retry_After="soon"), None),
        (Answered(429, Retry_After="Tue, 14 Nov 2023 22:14:20 GMT"), 60.0),  # the clock below stands a minute before
        (Answered(429, Retry_After="Tue, 14 Nov 2023 22:00:00 GMT"), 0.0),
        (Answered(429), None),
        (NetworkError("x", retry_after_s="nan"), None),
        (NetworkError("x", retry_after_s=-5), None),
        (ValueError("x"), None),
    ],
)
def test_a_wish_to_be_left_alone_is_read_from_the_error_or_its_response(
    error: Exception, seconds: float | None
) -> None:
    assert retry_after_s(error, clock=ManualClock()) == seconds


@pytest.mark.parametrize("name", BY_NAME)
def test_the_names_of_foreign_exceptions_are_right(name: str) -> None:
    module, _, qualname = name.rpartition(".")
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module} is not installed here")
    found = getattr(importlib.import_module(module), qualname)
    assert f"{found.__module__}.{found.__qualname__}" == name
