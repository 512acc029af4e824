"""What a request says about its limits, on its way to the record and to the attempt."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from meetingtasks.clock import ManualClock, to_datetime
from meetingtasks.errors import InvalidPayload, NetworkError
from meetingtasks.lifecycle import after_failure, limits_of
from meetingtasks.records import TaskRecord, from_fields, to_fields
from meetingtasks.retry import RetryAt
from meetingtasks.settings import Settings
from meetingtasks.submission import Submission, build_request, prepare
from meetingtasks.task_types import CATALOGUE

CLOCK = ManualClock()
NOW = to_datetime(CLOCK.now_ms())
STEADY = Settings(retry_jitter=False, retry_base_s=2)


def prepared(**about: Any) -> Submission:
    request = build_request({"type": "custom_task_type_1", **about})
    return prepare(request, CATALOGUE, {}, broker_url="redis://", clock=CLOCK)


def record_of(submission: Submission, **fields: str) -> TaskRecord:
    return from_fields({**to_fields(submission.values), "id": "t", "created_ms": "0", **fields})


@pytest.mark.parametrize(("start_by_s", "message_until_s"), [(5, 5), (50, 20), (None, 20)])
def test_a_message_waits_until_the_start_by_time_or_the_deadline(start_by_s: int | None, message_until_s: int) -> None:
    expires = {} if start_by_s is None else {"expires_at": NOW + timedelta(seconds=start_by_s)}
    submission = prepared(deadline_s=20, **expires)
    assert submission.options["expires"] == NOW + timedelta(seconds=message_until_s)
    assert submission.values["deadline_ms"] == CLOCK.now_ms() + 20_000


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"deadline_s": 5, "eta": NOW + timedelta(seconds=5)}, "/deadline_s"),
        ({"deadline_s": 0}, "/deadline_s"),
        ({"deadline_s": float("nan")}, "/deadline_s"),
        ({"heartbeat_s": True}, "/heartbeat_s"),
        ({"retry_policy": "linear"}, "/retry_policy"),
    ],
)
def test_an_impossible_limit_is_refused_by_name(about: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayload) as raised:
        prepared(**about)
    assert [problem["field"] for problem in raised.value.details["fields"]] == [field]


def test_the_limits_of_an_attempt_come_from_message_and_record() -> None:
    record = record_of(prepared(deadline_s=20, heartbeat_s=3), started_ms=str(CLOCK.now_ms() + 5_000))
    found = limits_of(SimpleNamespace(timelimit=[75, 60]), record)
    assert found == {"soft_s": 60, "hard_s": 75, "heartbeat_s": 3, "left_s": 15}


@pytest.mark.parametrize(("policy", "delay_s"), [(None, 4), ("exponential", 4), ("quadratic", 8)])
def test_d4_15_a_request_chooses_how_its_delays_grow(policy: str | None, delay_s: float) -> None:
    record = record_of(prepared(retry_policy=policy), retries="1")
    assert after_failure(NetworkError("x"), record, settings=STEADY) == RetryAt(delay_s)


def test_a_type_may_have_delays_of_its_own() -> None:
    record = TaskRecord(**{**vars(record_of(prepared())), "type": "webhook_delivery", "retries": 7})
    verdict = after_failure(NetworkError("x"), record, settings=STEADY)
    assert isinstance(verdict, RetryAt)  # eight retries, which the other types have not
