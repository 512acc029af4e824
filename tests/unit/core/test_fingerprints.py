"""One fingerprint for one kind of failure at one place, whatever the message, the line and the machine."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from meetingtasks.errors import BusinessError, MeetingTasksError, NetworkError
from meetingtasks.failures import describe, fingerprint, place_of
from meetingtasks.records import TaskError


def caught(raise_it: Callable[[], NoReturn]) -> TaskError:
    try:
        raise_it()
    except MeetingTasksError as error:
        return describe(error, task="t")


def here(message: str) -> NoReturn:
    raise NetworkError(message)


def there(message: str) -> NoReturn:
    raise NetworkError(message)


def refuse(code: str) -> NoReturn:
    raise BusinessError("no", code=code)


def test_a_fingerprint_depends_on_type_kind_and_place_and_not_on_the_message() -> None:
    one, two = caught(lambda: here("connection reset")), caught(lambda: here("name not found"))
    assert one.fingerprint == two.fingerprint
    assert len(one.fingerprint) == 12
    assert one.fingerprint != caught(lambda: there("connection reset")).fingerprint
    assert describe(NetworkError("x"), task="t").fingerprint != describe(NetworkError("x"), task="u").fingerprint


def test_an_error_whose_traceback_is_not_kept_has_a_place_all_the_same() -> None:
    one, two = caught(lambda: refuse("a")), caught(lambda: refuse("b"))
    assert one.traceback == ""
    assert one.fingerprint == caught(lambda: refuse("a")).fingerprint != two.fingerprint
    assert one.fingerprint != describe(BusinessError("no", code="a"), task="t").fingerprint


@pytest.mark.parametrize("root", ["/srv/app/", "/home/app/project/", "C:\\app\\"])
@pytest.mark.parametrize("line", [7, 70])
def test_the_place_is_the_innermost_function_that_is_no_librarys(root: str, line: int) -> None:
    text = f"""Traceback (most recent call last):
  File "{root}workers/engines/storage.py", line {line}, in read
    connect()
  File "/usr/lib/python3.11/site-packages/redis/client.py", line 9, in execute
    raise
ConnectionError: gone"""
    assert place_of(text) == "engines/storage.py:read"


def test_where_all_is_a_librarys_its_innermost_function_is_the_place() -> None:
    text = '  File "/x/site-packages/celery/app/trace.py", line 1, in trace_task\n    f()\n'
    assert place_of(text) == "app/trace.py:trace_task"
    assert place_of("no frames") == ""


def test_a_fingerprint_stays_the_same_for_ever() -> None:
    assert (
        fingerprint("meetingtasks.media.transcode", "builtins.OSError error", "media/decode.py:run") == "f6ffc68cb18f"
    )


def test_secrets_are_kept_neither_in_the_message_nor_in_the_traceback() -> None:
    described = caught(lambda: here("no answer from redis://user:CANARY@host, token=CANARY"))
    assert "CANARY" not in described.message + described.traceback
    assert "redis://user:***@host" in described.message
