"""How many messages are taken ahead of a free slot, and for how long."""

from typing import Any

import pytest

from meetingtasks.broker import ahead
from meetingtasks.broker.ahead import Ahead

SLOTS = 4


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(ahead, "SYSTEM", clock)
    return clock


def _after(*tasks_s: float) -> Ahead:
    taken = Ahead()
    for task_s in tasks_s:
        taken.one_ended(task_s)
    return taken


def _messages(number: int) -> list[dict[str, Any]]:
    return [{"number": i} for i in range(number)]


def test_nothing_is_taken_ahead_before_tasks_are_known_to_be_short() -> None:
    assert _after().number(SLOTS) == 0
    assert _after(*[0.006] * 100).number(SLOTS) == 0


def test_short_tasks_are_taken_ahead_by_the_time_they_need() -> None:
    assert _after(*[0.001] * 100).number(SLOTS) in range(30, 51)
    assert _after(*[0.0001] * 100).number(SLOTS) in range(300, 501)


def test_a_few_that_waited_for_a_processor_tell_nothing() -> None:
    assert _after(*([0.0005] * 9 + [0.2]) * 20).number(SLOTS) > 0


def test_once_most_are_long_nothing_is_taken_ahead() -> None:
    assert _after(*[0.0001] * 1000, *[0.2] * 30).number(SLOTS) == 0


def test_what_waited_too_long_is_given_back_and_no_more_is_taken_until_tasks_are_short_again(clock: _Clock) -> None:
    taken = _after(*[0.001] * 100)
    taken.put(_messages(3))
    clock.now_s += 0.019
    assert taken.take_overdue() == []
    assert taken.take() == {"number": 0}
    clock.now_s += 0.002
    assert taken.take_overdue() == [{"number": 1}, {"number": 2}]
    assert len(taken) == 0
    assert taken.number(SLOTS) == 0
    for _ in range(10):
        taken.one_ended(0.001)
    assert taken.number(SLOTS) > 0


def test_messages_are_taken_out_in_their_order() -> None:
    taken = Ahead()
    taken.put(_messages(2))
    taken.put([{"number": 2}])
    assert taken.take() == {"number": 0}
    assert taken.take_all() == [{"number": 1}, {"number": 2}]
    assert taken.take() is None


def test_only_the_ends_of_tiny_tasks_wait_for_the_next_fetch() -> None:
    assert _after().is_told_at_once
    assert _after(*[0.003] * 100).is_told_at_once
    assert not _after(*[0.001] * 100).is_told_at_once
