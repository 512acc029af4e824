"""Where time comes from."""

from datetime import UTC, datetime, timedelta

from meetingtasks.clock import SYSTEM, Clock, ManualClock, to_datetime


def test_the_system_clock_tells_the_time_of_the_day_and_never_runs_backwards() -> None:
    before = datetime.now(UTC)
    told = to_datetime(SYSTEM.now_ms())
    assert before - timedelta(milliseconds=1) <= told <= datetime.now(UTC)
    assert SYSTEM.monotonic_s() <= SYSTEM.monotonic_s()


def test_a_manual_clock_moves_only_when_told() -> None:
    clock: Clock = ManualClock(now_ms=1_000)
    assert clock.now_ms() == clock.now_ms() == 1_000
    start_s = clock.monotonic_s()
    assert isinstance(clock, ManualClock)
    clock.advance(0.25)
    assert clock.now_ms() == 1_250
    assert clock.monotonic_s() - start_s == 0.25


def test_milliseconds_become_an_aware_time() -> None:
    assert to_datetime(1_700_000_000_123) == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
