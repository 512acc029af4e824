"""What follows a failed attempt, and the first values of a record for a message that brought none."""

from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from meetingtasks.clock import ManualClock
from meetingtasks.errors import BusinessError, NetworkError, ResourceError, TaskCancelled, TaskTimeout, TransientError
from meetingtasks.lifecycle import after_failure, first_values
from meetingtasks.records import TaskRecord
from meetingtasks.retry import GiveUp, RetryAt
from meetingtasks.settings import Settings
from meetingtasks.states import Priority, TaskState
from meetingtasks.submission import RECORD_HEADER

STEADY = Settings(retry_jitter=False, retry_base_s=2, retry_resource_s=60)
CLOCK = ManualClock()


def record(task_type: str = "speech_recognition", **fields: Any) -> TaskRecord:
    basics = {"id": "t", "type": task_type, "name": task_type, "service": "", "queue": "", "created_ms": 0}
    return TaskRecord(**{**basics, "priority": Priority.NORMAL, "state": TaskState.RUNNING, **fields})


@pytest.mark.parametrize(
    ("error", "delay_s"),
    [(NetworkError("x"), 2), (TransientError("x"), 2), (ResourceError("x"), 60), (KeyError("x"), 2)],
)
def test_a_failure_that_may_mend_is_followed_by_a_retry_as_the_settings_say(error: Exception, delay_s: float) -> None:
    assert after_failure(error, record(), settings=STEADY) == RetryAt(delay_s)


def test_d4_15_the_quadratic_policy_is_a_setting() -> None:
    settings = Settings(retry_policy="quadratic", retry_jitter=False)
    verdicts = [after_failure(NetworkError("x"), record(retries=n), settings=settings) for n in (0, 1, 2)]
    assert verdicts == [RetryAt(1), RetryAt(4), RetryAt(9)]


@pytest.mark.parametrize("error", [BusinessError("x"), TaskCancelled("x"), NetworkError("x", code="cancelled")])
def test_a_refused_or_cancelled_task_is_not_tried_again(error: Exception) -> None:
    assert after_failure(error, record(max_retries=5), settings=STEADY) == GiveUp("business error")


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), TaskTimeout("x")])
def test_a_timeout_is_retried_where_the_type_has_network_retries(error: Exception) -> None:
    assert isinstance(after_failure(error, record(retries=2), settings=STEADY), RetryAt)
    assert after_failure(error, record("cleanup", retries=1), settings=STEADY) == GiveUp("retries used up")


def test_a_type_that_nobody_declared_has_the_budget_of_its_errors_class() -> None:
    assert after_failure(ResourceError("x"), record("invoice"), settings=STEADY) == RetryAt(60)
    assert after_failure(ResourceError("x"), record("invoice", retries=1), settings=STEADY) == GiveUp("retries used up")


def test_no_retry_is_planned_past_the_start_by_time() -> None:
    soon = record(expires_ms=CLOCK.now_ms() + 1_999)
    later = record(expires_ms=CLOCK.now_ms() + 2_001)
    assert after_failure(NetworkError("x"), soon, settings=STEADY, clock=CLOCK) == GiveUp("past the deadline")
    assert after_failure(NetworkError("x"), later, settings=STEADY, clock=CLOCK) == RetryAt(2)


def test_the_other_sides_wish_delays_the_retry() -> None:
    assert after_failure(NetworkError("429", retry_after_s=30), record(), settings=STEADY) == RetryAt(30)


def test_a_message_brings_its_records_first_values_along() -> None:
    brought = {"type": "transcode", "state": "scheduled", "meeting_id": 5}
    request = SimpleNamespace(**{RECORD_HEADER: brought}, headers=None)
    assert first_values(request, {}) == {"type": "transcode", "state": "pending", "meeting_id": 5}


def test_a_foreign_message_is_described_by_the_catalogue() -> None:
    request = SimpleNamespace(
        headers=None, delivery_info={"routing_key": "ai_tasks"}, task="meetingtasks.ai.emotion_detection"
    )
    values = first_values(request, {"text": "好"})
    assert (values["type"], values["service"], values["queue"]) == ("emotion_detection", "ai", "ai_tasks")
    assert values["payload"] == {"text": "好"}


def test_a_foreign_message_of_an_unknown_type_goes_by_its_celery_name() -> None:
    request = SimpleNamespace(headers={}, delivery_info=None, task="celery.backend_cleanup")
    values = first_values(request, {})
    assert (values["type"], values["service"], values["queue"], values["priority"]) == (
        "celery.backend_cleanup",
        "",
        "",
        "normal",
    )
