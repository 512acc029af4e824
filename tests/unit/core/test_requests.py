"""What a producer may ask for, and how a bad request is refused: field by field, before anything is stored."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from meetingtasks.errors import InvalidPayload
from meetingtasks.requests import TaskRequest, TaskResponse
from meetingtasks.states import Priority, TaskState
from meetingtasks.submission import build_request

UUID = "0f3c7c1e-9a50-4f6e-8f6e-2d9c1b0a7e55"


def refused(**fields: Any) -> dict[str, str]:
    """Return the refused fields of a request with what is wrong with each."""
    with pytest.raises(InvalidPayload) as raised:
        build_request({"type": "transcode", **fields})
    problems: list[dict[str, str]] = raised.value.details["fields"]
    for problem in problems:
        assert problem["field"] in raised.value.message
    return {problem["field"]: problem["problem"] for problem in problems}


def test_only_the_type_is_needed() -> None:
    request = build_request({"type": "transcode"})
    assert (request.type, request.payload, request.priority, request.max_retries) == ("transcode", {}, None, None)


def test_the_names_of_earlier_systems_are_understood() -> None:
    request = build_request(
        {
            "task_type": "transcode",
            "queue_name": "cpu_intensive",
            "timeout": 300,
            "tenant_id": "project-456",
            "scheduled_at": "2026-02-20T09:00:00+08:00",
        }
    )
    assert (request.type, request.queue, request.timeout_s, request.project_id) == (
        *("transcode", "cpu_intensive"),
        *(300, "project-456"),
    )
    assert request.eta == datetime(2026, 2, 20, 1, tzinfo=UTC)


def test_a_request_is_frozen() -> None:
    request = build_request({"type": "transcode"})
    with pytest.raises(ValueError, match="frozen"):
        request.type = "upload"  # type: ignore[misc] # what the test is about


@pytest.mark.parametrize("priority", list(Priority))
def test_priorities_go_by_name(priority: Priority) -> None:
    assert build_request({"type": "x", "priority": priority.value}).priority is priority


@pytest.mark.parametrize("priority", [True, "5", 5.0, "urgent", 10, -1, "High", "", [], {}, 10**400])
def test_row_10_any_other_priority_is_refused_with_the_four_names(priority: Any) -> None:
    assert refused(priority=priority) == {"/priority": "priority must be one of critical, high, normal, low"}


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, True, "nan", "1e999", "", "soon", {}])
def test_row_3_a_timeout_is_a_finite_number(seconds: Any) -> None:
    assert list(refused(timeout=seconds)) == ["/timeout"]


@pytest.mark.parametrize("seconds", [0, -1, 1e12, 86_400.1])
def test_row_13_a_timeout_out_of_range_is_refused_with_the_range(seconds: float) -> None:
    (problem,) = refused(timeout=seconds).values()
    assert "0" in problem
    assert problem.startswith("must be ")


@pytest.mark.parametrize("field", ["type", "user_id", "meeting_id", "session_id", "project_id", "trace_id"])
@pytest.mark.parametrize("character", ["\x00", "\n", "\x1f", "\x7f", "\x85", "\x9b"])
def test_row_5_control_characters_are_refused_in_every_identifier(field: str, character: str) -> None:
    assert refused(**{field: f"a{character}b"}) == {f"/{field}": "control characters not allowed"}


@pytest.mark.parametrize("field", ["type", "user_id", "session_id"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "must not be empty"), ("x" * 201, "must have at most 200 characters"), ("\ud800", "invalid unicode")],
)
def test_an_identifier_is_a_short_text(field: str, text: str, problem: str) -> None:
    assert refused(**{field: text}) == {f"/{field}": problem}


@pytest.mark.parametrize("field", ["user_id", "meeting_id", "project_id"])
@pytest.mark.parametrize("value", [123, "user-123", "007", "123", "用户", -(2**63), 2**63 - 1])
def test_a_key_stays_the_number_or_name_that_it_was(field: str, value: int | str) -> None:
    kept = getattr(build_request({"type": "x", field: value}), field)
    assert kept == value
    assert type(kept) is type(value)


@pytest.mark.parametrize("field", ["user_id", "meeting_id", "project_id"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "must be a number or a name, not true or false"),
        (2**63, "number too large"),
        (10**400, "number too large"),
        (1.5, "must be a whole number or a name"),
        ([], "must be a whole number or a name"),
    ],
)
def test_row_7_a_key_is_a_number_of_64_bits_or_a_name(field: str, value: Any, problem: str) -> None:
    assert refused(**{field: value}) == {f"/{field}": problem}


def test_row_9_an_unknown_field_is_named() -> None:
    assert refused(is_admin=True) == {"/is_admin": "unknown field is_admin"}


def test_every_bad_field_is_named_at_once() -> None:
    assert set(refused(priority=5, timeout=-1, max_retries=-1, user_id=[])) == {
        *("/priority", "/timeout", "/max_retries", "/user_id"),
    }


@pytest.mark.parametrize("retries", [-1, 101, True, 1.5, "many", 2**64])
def test_a_number_of_retries_out_of_range_is_refused(retries: Any) -> None:
    assert list(refused(max_retries=retries)) == ["/max_retries"]


@pytest.mark.parametrize("retries", [0, 100])
def test_d4_16_no_retries_at_all_is_a_choice(retries: int) -> None:
    assert build_request({"type": "x", "max_retries": retries}).max_retries == retries


@pytest.mark.parametrize("field", ["eta", "expires_at"])
@pytest.mark.parametrize(
    "moment",
    [
        *("2026-02-20T09:00:00", "2026-02-30T09:00:00Z", "2026-02-20T24:00:60Z", "10000-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "tomorrow", "", 10**18, True, []),
        datetime(2026, 2, 20),  # noqa: DTZ001 - without a zone on purpose
    ],
)
def test_row_14_a_time_without_zone_or_out_of_the_calendar_is_refused(field: str, moment: Any) -> None:
    assert list(refused(**{field: moment})) == [f"/{field}"]


def test_times_are_kept_in_utc() -> None:
    moment = datetime(2026, 2, 20, 9, tzinfo=timezone(timedelta(hours=8)))
    eta = build_request({"type": "x", "eta": moment}).eta
    assert eta is not None
    assert eta.tzinfo is UTC
    assert eta == moment


@pytest.mark.parametrize("task_id", ["", "t-1", UUID[:-1], UUID + "0", 5])
def test_row_18_a_chosen_id_is_a_uuid(task_id: Any) -> None:
    assert list(refused(task_id=task_id)) == ["/task_id"]


@pytest.mark.parametrize("task_id", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}"])
def test_every_spelling_of_a_uuid_is_one_id(task_id: str) -> None:
    assert build_request({"type": "x", "task_id": task_id}).task_id == UUID


@pytest.mark.parametrize(
    "metadata",
    [{"a": math.nan}, {"a": "\ud800"}, {"a": {1}}, {"a": b"x"}, {"a": 10**400}, {"__class__": "x"}, {1: 2}, [], "x"],
    ids=repr,
)
def test_metadata_is_plain_json(metadata: Any) -> None:
    assert list(refused(metadata=metadata))[0].startswith("/metadata")  # noqa: RUF015 - the first problem is told first


def test_metadata_comes_back_as_it_was() -> None:
    metadata = {"标签": ["周会", 1, None, {"deep": True}]}
    assert build_request({"type": "x", "metadata": metadata}).metadata == metadata


@pytest.mark.parametrize("payload", [[], "x", None, 5])
def test_a_payload_is_an_object(payload: Any) -> None:
    assert list(refused(payload=payload)) == ["/payload"]


@pytest.mark.parametrize("queue", ["", "a b", "q\n", "x" * 101, "../etc"])
def test_a_queues_name_is_plain(queue: str) -> None:
    assert list(refused(queue=queue)) == ["/queue"]


def test_d1_16_the_model_itself_names_the_field_as_well() -> None:
    with pytest.raises(ValueError, match=r"priority\n.*must be one of critical, high, normal, low"):
        TaskRequest.model_validate({"type": "x", "priority": "urgent"})


def test_a_response_is_good_until_it_has_an_error() -> None:
    assert TaskResponse(task_id="t", status=TaskState.PENDING).ok
    assert not TaskResponse(task_id="t", status=TaskState.FAILED, error={"code": "x"}).ok
