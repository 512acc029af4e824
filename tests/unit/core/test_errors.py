"""The errors of the platform: one body on every face, and the way between processes."""

import inspect
import json
import pickle

import pytest

from meetingtasks import errors
from meetingtasks.errors import (
    BusinessError,
    InvalidPayload,
    MeetingTasksError,
    NetworkError,
    ResourceError,
    TaskFailed,
    TransientError,
)
from meetingtasks.states import ErrorClass

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, MeetingTasksError)]


def test_the_body_is_ready_for_json() -> None:
    error = InvalidPayload("bad 请求", fields=[{"field": "/payload/x", "problem": "is required"}])
    assert json.loads(json.dumps(error.body())) == {
        "code": "invalid_payload",
        "message": "bad 请求",
        "details": {"fields": [{"field": "/payload/x", "problem": "is required"}]},
        "retryable": False,
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_every_error_says_its_code_and_what_it_means(cls: type[MeetingTasksError]) -> None:
    assert cls.__doc__
    assert cls.code == cls.code.lower()
    assert isinstance(cls.error_class, ErrorClass)


def test_no_two_errors_share_a_code() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("error", "retryable"),
    [(NetworkError("x"), True), (TransientError("x"), True), (ResourceError("x"), True), (BusinessError("x"), False)],
)
def test_all_but_business_errors_may_succeed_later(error: MeetingTasksError, retryable: bool) -> None:
    assert error.retryable is retryable


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_an_error_survives_pickling_with_its_data(cls: type[MeetingTasksError]) -> None:
    error = pickle.loads(pickle.dumps(cls("说明", code="special", field="x", limit=3)))  # noqa: S301 - our own bytes
    assert type(error) is cls
    assert (str(error), error.message, error.code) == ("说明", "说明", "special")
    assert error.details == {"field": "x", "limit": 3}


def test_a_task_failure_keeps_the_code_of_what_went_wrong() -> None:
    assert TaskFailed("x", code="worker_lost").body()["code"] == "worker_lost"


def test_an_error_tells_how_long_the_other_side_wants_to_be_left_alone() -> None:
    assert NetworkError("429", retry_after_s=30).retry_after_s == 30
    assert NetworkError("refused").retry_after_s is None
