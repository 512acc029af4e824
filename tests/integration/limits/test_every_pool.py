"""What limits do to a running task on each pool that we ship."""

from collections.abc import Iterator

import pytest

from meetingtasks.states import TaskState
from tests.integration.limits.conftest import Limited, limited_fleet


@pytest.fixture(scope="module", params=[("prefork", "1"), ("threads", "1"), ("solo", "1")], ids=lambda pool: pool[0])
def pool(request: pytest.FixtureRequest) -> Iterator[Limited]:
    with limited_fleet() as fleet:
        fleet.start("-P", request.param[0], "-c", request.param[1])
        yield fleet


def test_d1_06_a_task_that_never_asks_is_interrupted_at_its_soft_limit_and_tried_again(pool: Limited) -> None:
    record = pool.run({"nap_s": 60}, (0.3, 30), max_retries=1)
    assert record.state is TaskState.TIMEOUT
    assert [attempt.outcome for attempt in record.attempts] == ["retrying", "timeout"]
    assert record.error is not None
    assert (record.error.code, record.error.message) == ("timeout", "ran longer than its time limit of 0.3 s")
    assert record.dead


def test_a_task_that_asks_for_more_time_gets_it(pool: Limited) -> None:
    record = pool.run({"extend_s": 30, "nap_s": 1.5}, (0.3, 0.6), max_retries=0)
    assert (record.state, record.attempt) == (TaskState.COMPLETED, 1)


def test_a_silent_run_ends_at_its_heartbeat_and_one_that_reports_goes_on(pool: Limited) -> None:
    silent = pool.run({"nap_s": 60}, heartbeat_s=0.5, max_retries=0)
    assert silent.state is TaskState.TIMEOUT
    assert silent.error is not None
    assert silent.error.message == "reported no progress for 0.5 s"
    lively = pool.run({"reports": 15, "every_s": 0.1}, heartbeat_s=1.0, max_retries=0)
    assert lively.state is TaskState.COMPLETED


def test_the_deadline_stops_a_running_task_and_no_retry_is_planned_beyond_it(pool: Limited) -> None:
    record = pool.run({"nap_s": 60}, deadline_s=0.8)
    assert (record.state, record.attempt) == (TaskState.TIMEOUT, 1)
    assert record.error is not None
    assert record.error.message == "ran into its deadline"


def test_an_extension_ends_at_the_deadline(pool: Limited) -> None:
    record = pool.run({"extend_s": 1000, "nap_s": 60}, (0.3, 0.6), deadline_s=1.0)
    assert record.state is TaskState.TIMEOUT
    assert record.error is not None
    assert record.error.message == "ran into its deadline"


def test_a_task_that_waits_past_its_deadline_never_starts(pool: Limited) -> None:
    busy = pool.submit({"nap_s": 1.5})
    late = pool.submit({}, deadline_s=0.5)
    assert pool.ended(busy).state is TaskState.COMPLETED
    record = pool.ended(late)
    assert (record.state, record.attempt) == (TaskState.EXPIRED, 0)
