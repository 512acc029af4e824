import json
from datetime import UTC, datetime, timedelta

import pytest

from meetingtasks.broker import outgoing
from meetingtasks.broker.envelope import check_task, read
from meetingtasks.broker.queue import LeaseOptions, cost_of
from meetingtasks.broker.submit import TaskTemplate
from tests.unit.broker.malformed import task


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_tasks_message_is_named_by_id_and_retries() -> None:
    assert outgoing.prepare(task(id="a", retries=2)).id == "a:2"


def test_eta_becomes_a_delay_and_leaves_the_message_alone() -> None:
    message = task(eta=in_seconds(60))
    prepared = outgoing.prepare(message)
    assert 59_000 < prepared.delay_ms <= 60_001
    assert json.loads(prepared.payload)["headers"]["eta"] is None
    assert message["headers"]["eta"] is not None, "a publish that is repeated still needs it"


def test_a_past_eta_is_now_and_a_past_expiry_is_at_once() -> None:
    prepared = outgoing.prepare(task(eta=in_seconds(-60), expires=in_seconds(-60)))
    assert (prepared.delay_ms, prepared.lifetime_ms) == (0, 1)


def test_a_message_without_expiry_lives_on() -> None:
    assert outgoing.prepare(task()).lifetime_ms == 0


@pytest.mark.parametrize(
    ("given", "priority"), [(0, 0), (9, 9), (-5, 0), (99, 10), ("3", 3), (None, 6), ("urgent", 6), ([], 6)]
)
def test_priorities_run_from_0_to_9_and_default_to_normal(given: object, priority: int) -> None:
    assert outgoing.prepare(task(properties={"priority": given})).priority == priority


def test_a_meeting_key_is_one_word() -> None:
    assert outgoing.prepare(task(mt_key="board meeting\n1")).key == "board%20meeting%0A1"


@pytest.mark.parametrize(("weight", "cost"), [(1, 1000), (2, 500), (0, 100_000), (1e9, 10)])
def test_a_heavier_message_costs_its_meeting_less(weight: float, cost: int) -> None:
    assert cost_of(weight) == cost


def test_a_submission_is_marked_once() -> None:
    message = task()
    outgoing.mark(message)
    mark = outgoing.prepare(message).mark
    outgoing.mark(message)
    assert mark
    assert outgoing.prepare(message).mark == mark


def test_only_tasks_are_leased() -> None:
    assert outgoing.is_task(task())
    assert not outgoing.is_task({"headers": {"ticket": "t"}})
    assert not outgoing.is_task({"headers": None})


def test_a_template_makes_what_the_envelope_accepts() -> None:
    template = TaskTemplate("ai.transcribe", "ai_tasks", priority=3, time_limit_s=60)
    message = template.message([1], {"größe": "½"}, mt_key="m1")
    prepared = outgoing.prepare(message)
    assert (prepared.priority, prepared.key) == (3, "m1")
    assert check_task(read(prepared.payload), ("application/json",))[:2] == [[1], {"größe": "½"}]


@pytest.mark.parametrize(
    "bad",
    [
        {"renew_s": 4.0},
        {"renew_s": 0.0},
        {"max_deliveries": 0},
        {"dedupe_s": -1.0},
        {"longest_block_s": 0.0},
    ],
)
def test_figures_with_which_leases_would_be_lost_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LeaseOptions(**bad)  # type: ignore[arg-type] # one of them is a count
