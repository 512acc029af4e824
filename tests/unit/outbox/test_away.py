"""Which errors mean that the broker is away, so that a task is kept instead of refused."""

import pytest
from kombu.exceptions import LimitExceeded, OperationalError
from redis import exceptions

from meetingtasks.outbox.away import has_timed_out, is_away


def caused_by(cause: Exception) -> Exception:
    error = OperationalError("kombu's own")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("refused"),
        exceptions.TimeoutError("silent"),
        exceptions.BusyLoadingError("loading"),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        exceptions.ResponseError("Command # 1 of pipeline caused error: MISCONF Errors writing to the AOF file"),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.MasterDownError("Link with MASTER is down"),
        ConnectionRefusedError(),
        LimitExceeded(),
        caused_by(exceptions.ConnectionError("refused")),
    ],
)
def test_away(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.AuthenticationError("invalid username-password pair"),
        exceptions.NoPermissionError("this user has no permissions"),
        caused_by(exceptions.AuthenticationError("invalid username-password pair")),
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        ValueError("not ours"),
    ],
)
def test_there_but_not_for_this(error: Exception) -> None:
    assert not is_away(error)


def test_silence_is_not_asked_twice() -> None:
    assert has_timed_out(caused_by(exceptions.TimeoutError("silent")))
    assert not has_timed_out(exceptions.ConnectionError("cut"))


def test_causes_that_go_round_come_to_an_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_away(first)
