"""When an attempt is to stop, why, and when it must be ended."""

import pytest

from meetingtasks.clock import ManualClock
from meetingtasks.errors import BusinessError, TaskTimeout
from meetingtasks.limits.attempt_limits import GRACE_S, AttemptLimits


def limits(clock: ManualClock, posted: list[float | None] | None = None, **terms: float) -> AttemptLimits:
    return AttemptLimits(clock=clock, post=None if posted is None else posted.append, **terms)


def test_without_a_limit_nothing_is_posted_and_nothing_passes() -> None:
    clock, posted = ManualClock(), []
    attempt = limits(clock, posted)
    clock.advance(1e6)
    attempt.check()
    assert (attempt.why, attempt.end_at_s, posted) == ("", None, [None])


@pytest.mark.parametrize(
    ("terms", "stop_s", "end_s", "why"),
    [
        ({"soft_s": 5, "hard_s": 8}, 5, 8, "ran longer than its time limit of 5 s"),
        ({"soft_s": 5}, 5, 5 + GRACE_S, "ran longer than its time limit of 5 s"),
        ({"heartbeat_s": 2, "soft_s": 60, "hard_s": 63}, 2, 5, "reported no progress for 2 s"),
        ({"left_s": 3, "soft_s": 60, "hard_s": 64}, 3, 7, "ran into its deadline"),
        ({"left_s": 100, "soft_s": 5, "hard_s": 8}, 5, 8, "ran longer than its time limit of 5 s"),
    ],
)
def test_the_nearest_limit_counts(terms: dict[str, float], stop_s: float, end_s: float, why: str) -> None:
    clock = ManualClock()
    start_s = clock.monotonic_s()
    attempt = limits(clock, **terms)
    assert attempt.stop_in_s == pytest.approx(stop_s)
    assert attempt.end_at_s == pytest.approx(start_s + end_s)
    attempt.check()
    clock.advance(stop_s + 0.1)
    assert attempt.why == why
    with pytest.raises(TaskTimeout, match=why):
        attempt.check()


def test_a_report_starts_the_heartbeat_anew_and_is_posted() -> None:
    clock, posted = ManualClock(), []
    attempt = limits(clock, posted, heartbeat_s=2)
    clock.advance(1.5)
    attempt.beat()
    clock.advance(1.5)
    assert attempt.why == ""
    assert posted[-1] == pytest.approx(clock.monotonic_s() + 0.5 + GRACE_S)


def test_an_extension_moves_stop_and_end_but_not_the_deadline() -> None:
    clock, posted = ManualClock(), []
    attempt = limits(clock, posted, soft_s=5, hard_s=8, left_s=12)
    assert attempt.extend(4) == pytest.approx(9)
    assert posted[-1] == pytest.approx(clock.monotonic_s() + 12)
    assert attempt.extend(100) == pytest.approx(12)
    clock.advance(12.1)
    assert attempt.why == "ran into its deadline"


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_an_extension_is_a_positive_number(seconds: float) -> None:
    with pytest.raises(BusinessError):
        limits(ManualClock(), soft_s=5).extend(seconds)


def test_a_tighter_limit_counts_and_a_wider_one_does_not() -> None:
    attempt = limits(ManualClock(), soft_s=60, hard_s=75)
    attempt.tighten(600)
    assert attempt.stop_in_s == pytest.approx(60)
    attempt.tighten(5)
    assert attempt.stop_in_s == pytest.approx(5)


def test_an_attempt_is_interrupted_once_and_again_after_more_time() -> None:
    clock, interruptions = ManualClock(), []
    attempt = limits(clock, soft_s=5)
    attempt.interrupt_if_due(lambda: interruptions.append(1))
    clock.advance(6)
    for _ in range(3):
        attempt.interrupt_if_due(lambda: interruptions.append(2))
    assert interruptions == [2]
    attempt.extend(10)
    clock.advance(10)
    attempt.interrupt_if_due(lambda: interruptions.append(3))
    assert interruptions == [2, 3]


def test_half_a_conversation_and_an_ended_attempt_are_not_interrupted() -> None:
    clock, interruptions = ManualClock(), []
    attempt = limits(clock, soft_s=5)
    clock.advance(6)
    with attempt.shielded():
        attempt.interrupt_if_due(lambda: interruptions.append(1))
    attempt.close()
    attempt.interrupt_if_due(lambda: interruptions.append(1))
    assert interruptions == []


def test_an_ended_attempt_takes_its_moment_back() -> None:
    posted: list[float | None] = []
    attempt = limits(ManualClock(), posted, soft_s=5)
    attempt.close()
    attempt.extend(5)
    assert posted[-1] is None
