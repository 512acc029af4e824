"""Rules that hold for every number: backoff, routing, states, and what may be asked for."""

from hypothesis import given
from hypothesis import strategies as st

from meetingtasks.errors import InvalidPayload
from meetingtasks.retry import Backoff, GiveUp, RetryAt, RetryBudget, decide
from meetingtasks.routing import broker_number, from_broker_number, from_http_number, from_push_number
from meetingtasks.states import FINAL, MOVES, ErrorClass, TaskState
from meetingtasks.submission import build_request

POLICIES = st.sampled_from(["exponential", "quadratic"])
CLASSES = st.sampled_from(ErrorClass)
BUDGETS = st.builds(RetryBudget, **{name.value: st.integers(0, 9) for name in ErrorClass})
URLS = st.sampled_from(["redis://h/0", "redis+socket:///s", "amqp://h//", "pyamqp://h//"])
WAITING_CLASSES = st.sampled_from([ErrorClass.NETWORK, ErrorClass.TRANSIENT])


@given(
    POLICIES, st.floats(0.001, 3600), st.floats(0.1, 86_400), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True)
)
def test_a_delay_is_never_zero_and_never_above_the_cap(
    policy: str, base_s: float, cap_s: float, retry: int, drawn: float
) -> None:
    backoff = Backoff(policy=policy, base_s=base_s, cap_s=cap_s)  # type: ignore[arg-type] # one of the two words
    assert 0.05 <= backoff.delay_s(retry, ErrorClass.NETWORK, draw=lambda: drawn) <= max(0.05, cap_s)


@given(POLICIES, st.floats(0.1, 60), WAITING_CLASSES, st.integers(1, 100))
def test_delays_without_jitter_never_shrink(policy: str, base_s: float, error_class: ErrorClass, retry: int) -> None:
    backoff = Backoff(policy=policy, base_s=base_s, jitter=False)  # type: ignore[arg-type] # one of the two words
    assert backoff.delay_s(retry, error_class) <= backoff.delay_s(retry + 1, error_class)


@given(CLASSES, st.integers(0, 200), BUDGETS, st.none() | st.integers(0, 100), st.none() | st.floats(-10, 1e6))
def test_a_decision_keeps_within_budget_and_deadline(
    error_class: ErrorClass, done: int, budget: RetryBudget, max_retries: int | None, seconds_left: float | None
) -> None:
    verdict = decide(error_class, done, budget=budget, max_retries=max_retries, seconds_left=seconds_left)
    allowed = budget.allowed(error_class) if max_retries is None else max_retries
    if isinstance(verdict, RetryAt):
        assert error_class is not ErrorClass.BUSINESS
        assert done < allowed
        assert seconds_left is None or verdict.delay_s < seconds_left
    else:
        assert isinstance(verdict, GiveUp)
        assert error_class is ErrorClass.BUSINESS or done >= allowed or seconds_left is not None


@given(st.integers(), URLS)
def test_every_brokers_number_is_some_level_and_order_is_kept(number: int, url: str) -> None:
    here, next_one = from_broker_number(number, url), from_broker_number(number + 1, url)
    assert (here.level <= next_one.level) is True or "amqp" in url
    assert broker_number(here, url) in range(10)


@given(st.integers(0, 10), st.integers(0, 10))
def test_a_larger_push_number_is_never_less_urgent(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert from_push_number(large).level <= from_push_number(small).level


@given(st.integers(), st.integers())
def test_a_larger_http_number_is_never_less_urgent(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert from_http_number(large).level <= from_http_number(small).level


@given(st.lists(st.sampled_from(TaskState), max_size=20))
def test_no_path_of_allowed_moves_leaves_a_final_state_but_by_a_requeue(wanted: list[TaskState]) -> None:
    state = TaskState.PENDING
    for following in wanted:
        if following in MOVES[state]:
            assert state not in FINAL or following is TaskState.PENDING
            state = following
    assert state in set(TaskState)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
)
FIELDS = st.sampled_from(
    [
        *("type", "payload", "priority", "queue", "timeout", "max_retries", "user_id", "meeting_id", "session_id"),
        *("project_id", "metadata", "task_id", "eta", "expires_at", "is_admin"),
    ]
)


def problems_with(fields: dict[str, object]) -> list[dict[str, str]]:
    """Return what is wrong with a request, by field; nothing else may come of it."""
    try:
        build_request(fields)
    except InvalidPayload as refused:
        return list(refused.details["fields"])
    return []


@given(st.dictionaries(FIELDS, ANYTHING))
def test_a_request_is_built_or_refused_by_field_and_nothing_else(fields: dict[str, object]) -> None:
    problems = problems_with(fields)
    assert all(problem["field"].startswith("/") and problem["problem"] for problem in problems)
    assert problems or "type" in fields
