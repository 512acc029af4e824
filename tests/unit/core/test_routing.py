"""Which queue a task goes to, and what a priority is called by each broker and each older system."""

import pytest

from meetingtasks.catalogue import Catalogue, TaskType
from meetingtasks.errors import BusinessError
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.routing import (
    AMQP_NUMBERS,
    REDIS_NUMBERS,
    ServiceRoute,
    broker_number,
    check_queue,
    from_broker_number,
    from_enum_number,
    from_http_number,
    from_push_number,
    routes_table,
)
from meetingtasks.states import Priority
from meetingtasks.task_types import CATALOGUE, QUEUES

CRITICAL, HIGH, NORMAL, LOW = Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW
REDIS_URL, AMQP_URL = "redis://127.0.0.1/0", "amqp://127.0.0.1//"
OWN_QUEUE = {
    "ai": "ai_tasks",
    "media": "media_tasks",
    "meeting": "meeting_tasks",
    "signaling": "signaling_tasks",
    "user": "user_tasks",
    "custom-service": "custom_tasks",
}


@pytest.mark.parametrize("task_type", CATALOGUE, ids=lambda t: t.name)
def test_d1_01_every_type_is_on_its_services_queue_or_a_shared_one(task_type: TaskType) -> None:
    if task_type.name in {"notification", "hotspot_monitor"}:
        assert task_type.queue == "notification"
    else:
        assert task_type.queue == OWN_QUEUE[task_type.service]
    assert task_type.queue in QUEUES


def test_the_redis_and_the_amqp_numbers_of_each_level() -> None:
    assert [REDIS_NUMBERS[level] for level in Priority] == [0, 3, 6, 9]
    assert [AMQP_NUMBERS[level] for level in Priority] == [9, 6, 3, 0]


@pytest.mark.parametrize("url", [REDIS_URL, AMQP_URL, "pyamqp://127.0.0.1//", "redis+socket:///tmp/r.sock"])
@pytest.mark.parametrize("level", list(Priority))
def test_a_level_survives_the_way_through_a_broker(level: Priority, url: str) -> None:
    assert from_broker_number(broker_number(level, url), url) is level


@pytest.mark.parametrize("url", [REDIS_URL, AMQP_URL])
def test_a_message_without_a_number_is_normal_never_critical(url: str) -> None:
    assert from_broker_number(None, url) is NORMAL


@pytest.mark.parametrize(
    ("number", "level"),
    [(-5, CRITICAL), (1, CRITICAL), (2, HIGH), (4, HIGH), (5, NORMAL), (7, NORMAL), (8, LOW), (99, LOW)],
)
def test_a_number_between_the_levels_counts_as_the_nearest_one(number: int, level: Priority) -> None:
    assert from_broker_number(number, REDIS_URL) is level
    assert from_broker_number(9 - number, AMQP_URL) is level


@pytest.mark.parametrize(("number", "level"), [(0, LOW), (1, NORMAL), (2, HIGH), (3, CRITICAL)])
def test_the_enum_scale(number: int, level: Priority) -> None:
    assert from_enum_number(number) is level


@pytest.mark.parametrize("number", [-1, 4, 10**400, True, False])
def test_the_enum_scale_ends_at_0_and_3(number: int) -> None:
    with pytest.raises(BusinessError, match="0-3"):
        from_enum_number(number)


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (-(10**400), LOW),
        (4, LOW),
        (5, NORMAL),
        (9, NORMAL),
        (10, HIGH),
        (19, HIGH),
        (20, CRITICAL),
        (10**400, CRITICAL),
    ],
)
def test_the_open_ended_http_scale(number: int, level: Priority) -> None:
    assert from_http_number(number) is level


def test_the_http_scale_does_not_take_a_truth_value_for_a_number() -> None:
    with pytest.raises(BusinessError, match="must be a number"):
        from_http_number(number=True)


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, LOW), (2, LOW), (3, NORMAL), (5, NORMAL), (6, HIGH), (8, HIGH), (9, CRITICAL), (10, CRITICAL)],
)
def test_the_push_scale(number: int, level: Priority) -> None:
    assert from_push_number(number) is level


@pytest.mark.parametrize("number", [-1, 11, 10**400, True, False])
def test_the_push_scale_ends_at_0_and_10(number: int) -> None:
    with pytest.raises(BusinessError, match="0-10"):
        from_push_number(number)


def test_d1_13_the_table_has_one_row_per_type_sorted_by_queue() -> None:
    rows = routes_table(CATALOGUE)
    assert len(rows) == len(CATALOGUE)
    assert rows == sorted(rows, key=lambda row: (row["queue"], row["type"]))
    speech = next(row for row in rows if row["type"] == "speech_recognition")
    assert speech == {
        "type": "speech_recognition",
        "service": "ai",
        "queue": "ai_tasks",
        "celery_name": "meetingtasks.ai.speech_recognition",
    }


def test_a_custom_route_of_a_known_type_replaces_its_row() -> None:
    route = ServiceRoute(
        service_name="custom-service", queue_name="custom_tasks", task_types=("custom_task_type_1", "billing")
    )
    names = [row["type"] for row in routes_table(CATALOGUE, [route])]
    assert names.count("custom_task_type_1") == 1
    assert names.count("billing") == 1


def test_a_type_may_use_its_own_queue_or_a_shared_one() -> None:
    transcode = CATALOGUE.get("transcode")
    assert check_queue(transcode, "media_tasks", QUEUES) == "media_tasks"
    assert check_queue(transcode, "cpu_intensive", QUEUES) == "cpu_intensive"


@pytest.mark.parametrize(("queue", "code"), [("ai_tasks", "wrong_queue"), ("nowhere", "unknown_queue")])
def test_another_services_queue_and_an_unknown_one_are_refused_by_name(queue: str, code: str) -> None:
    with pytest.raises(BusinessError, match=queue) as raised:
        check_queue(CATALOGUE.get("transcode"), queue, QUEUES)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "fields",
    [
        {"service_name": "", "queue_name": "q", "task_types": ("t",)},
        {"service_name": "s", "queue_name": "a b", "task_types": ("t",)},
        {"service_name": "s", "queue_name": "q", "task_types": ()},
        {"service_name": "s", "queue_name": "q\n", "task_types": ("t",)},
        {"service_name": "s", "queue_name": "q", "task_types": ("t" * 101,)},
        {"service_name": "s", "queue_name": "q", "task_types": ("t",), "extra": 1},
    ],
)
def test_a_route_with_bad_names_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        ServiceRoute.model_validate(fields)


def test_a_routes_celery_names_drop_the_word_service() -> None:
    route = ServiceRoute(service_name="billing-service", queue_name="billing_tasks", task_types=("invoice",))
    assert route.celery_name("invoice") == "meetingtasks.billing.invoice"


def test_a_catalogue_of_ones_own_is_routed_the_same_way() -> None:
    own = Catalogue([TaskType(name="invoice", service="billing", queue="billing_tasks", payload=CustomPayload)])
    assert [row["celery_name"] for row in routes_table(own)] == ["meetingtasks.billing.invoice"]
