"""From a request to what is sent: the record's first values and Celery's options."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meetingtasks.clock import ManualClock, to_datetime
from meetingtasks.errors import BusinessError, InvalidPayload, UnknownTaskType
from meetingtasks.routing import ServiceRoute
from meetingtasks.states import Priority, TaskState
from meetingtasks.submission import KEY_HEADER, RECORD_HEADER, Submission, build_request, eta_ms_of, limits, prepare
from meetingtasks.task_types import ALIAS_DEFAULTS, CATALOGUE

CLOCK = ManualClock()
NOW = to_datetime(CLOCK.now_ms())
REDIS_URL = "redis://127.0.0.1/0"
INVOICE = ServiceRoute(service_name="billing-service", queue_name="billing_tasks", task_types=("invoice",))


def prepared(url: str = REDIS_URL, **fields: Any) -> Submission:
    request = build_request({"type": "custom_task_type_1", **fields})
    return prepare(request, CATALOGUE, {"invoice": INVOICE}, broker_url=url, clock=CLOCK)


def refused(**fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidPayload) as raised:
        prepared(**fields)
    return {problem["field"]: problem["problem"] for problem in raised.value.details["fields"]}


@pytest.mark.parametrize("task_type", CATALOGUE, ids=lambda t: t.name)
def test_every_type_has_limits_that_leave_time_for_the_exception(task_type: Any) -> None:
    soft_s, hard_s = limits(task_type, None)
    assert 0 < soft_s < hard_s


def test_the_types_own_values_fill_in() -> None:
    payload = {"kind": "answer", "session_id": "s", "peer_id": "p", "sdp": "v=0"}
    submission = prepared(type="webrtc_negotiation", payload=payload)
    assert submission.celery_name == "meetingtasks.signaling.webrtc_negotiation"
    assert submission.queue == "signaling_tasks"
    assert submission.values["priority"] == "critical"
    assert submission.options["priority"] == 0
    assert (submission.options["soft_time_limit"], submission.options["time_limit"]) == (5, 10)


def test_the_requests_values_go_first() -> None:
    submission = prepared(priority="low", timeout=7, queue="io_intensive", meeting_id=456)
    assert (submission.options["priority"], submission.queue) == (9, "io_intensive")
    assert (submission.options["soft_time_limit"], submission.options["time_limit"]) == (7, 22)
    assert submission.options["headers"][KEY_HEADER] == "456"


def test_rabbitmq_counts_priorities_the_other_way() -> None:
    assert prepared("amqp://127.0.0.1//", priority="critical").options["priority"] == 9


def test_the_record_travels_without_what_is_not_there() -> None:
    brought = prepared(payload={"n": 1}).options["headers"][RECORD_HEADER]
    assert None not in brought.values()
    assert (brought["type"], brought["payload"], brought["state"]) == ("custom_task_type_1", {"n": 1}, "pending")


@pytest.mark.parametrize("alias", sorted(ALIAS_DEFAULTS))
def test_x_03_what_an_alias_says_by_its_name_is_in_the_payload(alias: str) -> None:
    task_type = CATALOGUE.get(alias)
    needed: dict[str, Any] = {
        "signaling": {"meeting_id": "m", "from_user_id": "u", "content": "x"},
        "webrtc_negotiation": {"session_id": "s", "peer_id": "p"},
        "meeting_control": {"meeting_id": "m", "user_id": "u"},
    }.get(task_type.name, {})
    payload = {**needed, **ALIAS_DEFAULTS[alias]}
    assert payload.items() >= ALIAS_DEFAULTS[alias].items()
    assert all(name in task_type.payload.model_fields for name in ALIAS_DEFAULTS[alias])


def test_the_payload_overrules_its_alias() -> None:
    needed = {"meeting_id": "m", "user_id": "u"}
    assert prepared(type="meeting.join", payload=needed).kwargs["action"] == "join"
    assert prepared(type="meeting.join", payload={**needed, "action": "leave"}).kwargs["action"] == "leave"


def test_d1_15_a_custom_routes_type_goes_to_its_queue() -> None:
    submission = prepared(type="invoice", payload={"amount": 5})
    assert (submission.queue, submission.celery_name) == ("billing_tasks", "meetingtasks.billing.invoice")
    assert (submission.values["service"], submission.values["priority"]) == ("billing-service", Priority.NORMAL)
    with pytest.raises(BusinessError, match="routed to billing_tasks"):
        prepared(type="invoice", queue="ai_tasks")


@pytest.mark.parametrize("payload", [{"a": {1}}, {"a": float("nan")}, {"a": "\ud800"}, {"a": 10**400}], ids=repr)
@pytest.mark.parametrize("task_type", ["invoice", "custom_task_type_1"])
def test_a_payload_that_json_cannot_hold_is_refused_for_custom_types_too(task_type: str, payload: Any) -> None:
    assert all(field in ("/payload", "/payload/a") for field in refused(type=task_type, payload=payload))


def test_an_unknown_type_is_refused_and_routes_are_proposed_as_well() -> None:
    with pytest.raises(UnknownTaskType, match="did you mean invoice"):
        prepared(type="invoce")


@pytest.mark.parametrize("queue", ["ai_tasks", "nowhere"])
def test_row_12_a_queue_that_does_not_run_the_type_is_refused(queue: str) -> None:
    with pytest.raises(BusinessError, match=queue):
        prepared(queue=queue)


def test_a_planned_task_is_scheduled_until_its_time() -> None:
    submission = prepared(eta=NOW + timedelta(hours=1))
    assert submission.state is TaskState.SCHEDULED
    assert submission.options["eta"] == NOW + timedelta(hours=1)
    assert submission.values["eta_ms"] == CLOCK.now_ms() + 3_600_000


@pytest.mark.parametrize("ago_s", [0, 1, 60])
def test_row_14_a_time_that_has_just_passed_means_now(ago_s: int) -> None:
    submission = prepared(eta=NOW - timedelta(seconds=ago_s))
    assert submission.state is TaskState.PENDING
    assert "eta" not in submission.options


@pytest.mark.parametrize(
    ("eta", "problem"),
    [
        (NOW - timedelta(seconds=61), "is more than 60 s in the past"),
        (datetime(1, 1, 1, tzinfo=UTC), "is more than 60 s in the past"),
        (NOW + timedelta(days=367), "is more than 366 days ahead"),
        (datetime(9999, 12, 31, tzinfo=UTC), "is more than 366 days ahead"),
    ],
)
def test_row_14_a_planned_time_far_from_now_is_refused(eta: datetime, problem: str) -> None:
    assert refused(eta=eta) == {"/eta": problem}


@pytest.mark.parametrize("left_s", [0, -1])
def test_row_15_a_deadline_that_has_passed_is_refused(left_s: int) -> None:
    assert refused(expires_at=NOW + timedelta(seconds=left_s)) == {"/expires_at": "has passed"}


def test_row_15_a_deadline_before_the_planned_time_is_refused() -> None:
    times = {"eta": NOW + timedelta(hours=2), "expires_at": NOW + timedelta(hours=1)}
    assert refused(**times) == {"/expires_at": "deadline is before eta"}


def test_a_deadline_is_on_the_record_and_in_the_message() -> None:
    submission = prepared(expires_at=NOW + timedelta(hours=1))
    assert submission.values["expires_ms"] == CLOCK.now_ms() + 3_600_000
    assert submission.options["expires"] == NOW + timedelta(hours=1)


def test_a_types_own_start_by_time_is_on_the_record_too() -> None:
    payload = {"action": "send", "meeting_id": "m", "from_user_id": "u", "content": "hi"}
    submission = prepared(type="signaling", payload=payload)
    assert submission.values["expires_ms"] == CLOCK.now_ms() + 30_000
    assert submission.options["expires"] == NOW + timedelta(seconds=30)


def test_a_types_own_start_by_time_counts_from_the_planned_one() -> None:
    payload = {"action": "send", "meeting_id": "m", "from_user_id": "u", "content": "hi"}
    submission = prepared(type="signaling", payload=payload, eta=NOW + timedelta(hours=1))
    assert submission.options["expires"] == NOW + timedelta(hours=1, seconds=30)


def test_an_eta_header_is_read_with_and_without_a_zone() -> None:
    assert eta_ms_of("2023-11-14T22:13:20+00:00") == 1_700_000_000_000
    assert eta_ms_of("2023-11-14T22:13:20") == 1_700_000_000_000
    assert eta_ms_of(None) is None


def test_two_requests_never_share_an_id() -> None:
    assert len({prepared().task_id for _ in range(100)}) == 100
