"""Every class of error: how often it is tried again, after which delays, and that nobody waits for it meanwhile."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from meetingtasks.records import TaskRecord
from meetingtasks.states import TaskState
from tests.integration.limits.conftest import TYPE, Limited, limited_fleet

STEADY = {"MT_RETRY_JITTER": "false", "MT_RETRY_BASE_S": "0.2", "MT_RETRY_RESOURCE_S": "0.5"}
CLOCKS_S = 0.005  # the planned time is the worker's, rounded; the times of attempts are the server's


@pytest.fixture(scope="module")
def steady() -> Iterator[Limited]:
    """Give a worker with one slot whose delays have no jitter."""
    with limited_fleet() as fleet:
        fleet.start("-P", "prefork", "-c", "1", env=STEADY)
        yield fleet


def gaps_s(record: TaskRecord) -> list[float]:
    """Return the time from each attempt's start to the next one's: its delay, and the little that it ran."""
    return [(later.started_ms - sooner.started_ms) / 1000 for sooner, later in pairwise(record.attempts)]


@pytest.mark.parametrize(
    ("raises", "error_class", "delays_s"),
    [
        ("network", "network", [0.2, 0.4, 0.8]),
        ("socket", "network", [0.2, 0.4, 0.8]),
        ("transient", "transient", [0.2, 0.4]),
        ("anything", "transient", [0.2, 0.4]),
        ("resource", "resource", [0.5]),
        ("disk", "resource", [0.5]),
        ("business", "business", []),
        ("gone", "business", []),
    ],
)
def test_d1_35_d3_02_attempts_and_delays_follow_the_class_of_the_error(
    steady: Limited, raises: str, error_class: str, delays_s: list[float]
) -> None:
    # the custom types give up at once when a resource is exhausted, others do not; so this one is allowed a retry
    allowed = {"max_retries": 1} if error_class == "resource" else {}
    record = steady.run({"raises": raises}, **allowed)
    assert record.state is TaskState.FAILED
    assert record.error is not None
    assert record.error.error_class == error_class
    measured_s = gaps_s(record)
    assert len(measured_s) == len(delays_s)
    assert all(gap_s >= delay_s - CLOCKS_S for gap_s, delay_s in zip(measured_s, delays_s, strict=True))
    assert record.dead


def test_d4_15_a_task_may_choose_quadratic_delays(steady: Limited) -> None:
    record = steady.run({"raises": "network"}, retry_policy="quadratic", max_retries=3)
    measured_s = gaps_s(record)
    assert len(measured_s) == 3
    assert all(gap_s >= delay_s - CLOCKS_S for gap_s, delay_s in zip(measured_s, [0.2, 0.8, 1.8], strict=True))


def test_b_03_the_only_slot_is_free_while_a_retry_waits(steady: Limited) -> None:
    waiting = steady.submit({"raises": "wish", "wish_s": 600})
    other = steady.run({})
    assert other.state is TaskState.COMPLETED
    record = steady.dispatcher.get(waiting)
    assert record.state is TaskState.RETRYING
    assert record.due_ms is not None
    assert record.due_ms - record.attempts[0].started_ms >= 599_000
    steady.dispatcher.cancel(waiting)


@pytest.mark.parametrize("bound", ["deadline_s", "expires_at"])
def test_no_retry_is_planned_past_the_deadline_or_the_start_by_time(steady: Limited, bound: str) -> None:
    soon: Any = 20 if bound == "deadline_s" else datetime.now(UTC) + timedelta(seconds=20)
    payload = {"raises": "wish", "wish_s": 30}
    accepted = steady.dispatcher.dispatch({"type": TYPE, "payload": payload, bound: soon})
    record = steady.ended(accepted.task_id)
    assert (record.state, record.attempt) == (TaskState.FAILED, 1)
    assert record.dead
