"""The guard of a process interrupts a thread that is late, and nothing that comes after."""

import threading

import pytest

from meetingtasks.errors import TaskTimeout
from meetingtasks.limits import AttemptLimits
from meetingtasks.limits.guard import Guard


def spin(until: threading.Event) -> None:
    """Work without ever asking."""
    while not until.is_set():
        until.wait(0.01)


def test_a_late_thread_gets_a_timeout_that_says_why() -> None:
    guard, caught = Guard(), []

    def attempt() -> None:
        try:
            with guard.watching("t", AttemptLimits(soft_s=0.2)):
                spin(threading.Event())
        except TaskTimeout as error:
            caught.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join(30)
    assert caught == ["ran longer than its time limit of 0.2 s"]


def test_an_error_raised_over_the_interruption_is_still_a_timeout() -> None:
    guard = Guard()

    def attempt() -> None:
        try:
            spin(threading.Event())
        except Exception as error:
            raise ValueError("the engine failed") from error

    with pytest.raises(TaskTimeout), guard.watching("t", AttemptLimits(soft_s=0.2)):
        attempt()


def test_an_attempt_that_ends_in_the_moment_of_its_limit_is_not_hit_afterwards() -> None:
    guard = Guard()
    for _ in range(30):
        limits = AttemptLimits(soft_s=0.001)
        try:
            with guard.watching("t", limits):
                while not limits.reason:
                    pass  # the interruption is on its way now
        except TaskTimeout:
            continue
    assert sum(range(100_000)) == 4_999_950_000  # nothing late arrives here


def test_it_says_when_a_task_must_have_ended() -> None:
    guard, limits = Guard(), AttemptLimits(soft_s=5, hard_s=8)
    with guard.watching("t", limits):
        assert guard.end_at_s("t") == limits.end_at_s
    assert guard.end_at_s("t") is None
