"""Whether and when a failed task runs again."""

import pytest

from meetingtasks.retry import Backoff, GiveUp, RetryAt, RetryBudget, decide
from meetingtasks.states import ErrorClass

STEADY = Backoff(jitter=False)


def retries_of(error_class: ErrorClass, *, max_retries: int | None = None) -> int:
    """Count the retries that follow one another until the task is given up."""
    done = 0
    while isinstance(decide(error_class, done, budget=RetryBudget(), max_retries=max_retries), RetryAt):
        done += 1
    return done


@pytest.mark.parametrize(
    ("error_class", "retries"),
    [(ErrorClass.NETWORK, 3), (ErrorClass.TRANSIENT, 2), (ErrorClass.RESOURCE, 1), (ErrorClass.BUSINESS, 0)],
)
def test_d1_35_each_class_of_error_has_its_own_number_of_retries(error_class: ErrorClass, retries: int) -> None:
    assert retries_of(error_class) == retries


@pytest.mark.parametrize("error_class", [ErrorClass.NETWORK, ErrorClass.TRANSIENT, ErrorClass.RESOURCE])
@pytest.mark.parametrize("max_retries", [0, 1, 7])
def test_d4_16_the_submitters_limit_replaces_the_budget(error_class: ErrorClass, max_retries: int) -> None:
    assert retries_of(error_class, max_retries=max_retries) == max_retries


def test_a_business_error_is_never_retried_whatever_the_submitter_allows() -> None:
    assert decide(ErrorClass.BUSINESS, 0, budget=RetryBudget(business=5), max_retries=5) == GiveUp("business error")


def test_d4_15_quadratic_delays_are_1_4_9_seconds() -> None:
    backoff = Backoff(policy="quadratic", jitter=False)
    assert [backoff.delay_s(n, ErrorClass.NETWORK) for n in (1, 2, 3)] == [1, 4, 9]


def test_exponential_delays_double_from_the_base() -> None:
    backoff = Backoff(base_s=0.5, jitter=False)
    assert [backoff.delay_s(n, ErrorClass.TRANSIENT) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]


@pytest.mark.parametrize("policy", ["exponential", "quadratic"])
def test_no_delay_is_above_the_cap_however_many_retries(policy: str) -> None:
    backoff = Backoff(policy=policy, cap_s=30, jitter=False)  # type: ignore[arg-type] # parametrised words
    assert backoff.delay_s(10_000, ErrorClass.NETWORK) == 30


@pytest.mark.parametrize(("drawn", "delay_s"), [(0.0, 0.05), (0.25, 2.0), (0.999, 7.992)])
def test_jitter_draws_between_nearly_zero_and_the_grown_delay(drawn: float, delay_s: float) -> None:
    assert Backoff().delay_s(4, ErrorClass.NETWORK, draw=lambda: drawn) == pytest.approx(delay_s)


def test_an_exhausted_resource_waits_minutes() -> None:
    assert Backoff().delay_s(1, ErrorClass.RESOURCE) == 600


def test_the_other_sides_wish_is_respected_when_it_is_longer() -> None:
    wish = decide(ErrorClass.NETWORK, 0, budget=RetryBudget(), backoff=STEADY, retry_after_s=42)
    assert wish == RetryAt(42)
    shorter = decide(ErrorClass.NETWORK, 2, budget=RetryBudget(), backoff=STEADY, retry_after_s=1)
    assert shorter == RetryAt(4)


@pytest.mark.parametrize(
    ("seconds_left", "verdict"),
    [(0.5, GiveUp("past the deadline")), (1.0, GiveUp("past the deadline")), (1.5, RetryAt(1.0))],
)
def test_no_retry_is_planned_past_the_deadline(seconds_left: float, verdict: RetryAt | GiveUp) -> None:
    decided = decide(ErrorClass.NETWORK, 0, budget=RetryBudget(), backoff=STEADY, seconds_left=seconds_left)
    assert decided == verdict


def test_the_reason_to_give_up_is_told() -> None:
    assert decide(ErrorClass.TRANSIENT, 2, budget=RetryBudget()) == GiveUp("retries used up")


def test_retries_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Backoff().delay_s(0, ErrorClass.NETWORK)
