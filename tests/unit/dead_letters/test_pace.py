"""A pace is even, and a stall is not made up for with a flood."""

import pytest

from meetingtasks.clock import ManualClock
from meetingtasks.dead_letters.pace import LONGEST_WAIT_S, TICK_S, Pace


@pytest.mark.parametrize("rate", [0.5, 3, 200, 5000])
def test_as_many_are_due_as_the_rate_says(rate: float) -> None:
    clock, taken = ManualClock(), 0
    pace = Pace(rate, clock=clock)
    for _ in range(1000):
        due = pace.due()
        pace.took(due)
        taken += due
        clock.advance(0.05)
    assert taken == pytest.approx(rate * 50, abs=max(1, rate * 0.05) + 1)


def test_the_first_is_due_at_once_and_the_next_after_its_time() -> None:
    clock = ManualClock()
    pace = Pace(4, clock=clock)
    assert pace.due() == 1
    pace.took(1)
    assert pace.due() == 0
    assert pace.wait_s == 0.25
    clock.advance(0.25)
    assert pace.due() == 1


def test_after_a_stall_a_second_is_made_up_for_and_no_more() -> None:
    clock = ManualClock()
    pace = Pace(100, clock=clock)
    clock.advance(3600)
    assert pace.due() == 101


def test_after_a_restart_nothing_is_made_up_for() -> None:
    clock = ManualClock()
    pace = Pace(100, clock=clock)
    clock.advance(3600)
    pace.restart()
    assert pace.due() == 1


def test_the_wait_is_neither_too_short_to_be_worth_it_nor_too_long_to_be_told_of_a_pause() -> None:
    assert Pace(10_000, clock=ManualClock()).wait_s == TICK_S
    slow = Pace(0.001, clock=ManualClock())
    slow.took(1)
    assert slow.wait_s == LONGEST_WAIT_S
