"""Cancelling by filter and looking at deliveries from the command line."""

from collections.abc import Callable, Iterator

import pytest

from meetingtasks.callbacks import SubmitCallbacks
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.settings import load
from meetingtasks.states import TaskState

URL = "https://hooks.example.com/ends"


@pytest.fixture
def caller(broker_url: str) -> Iterator[TaskDispatcher]:
    hooks = {"webhook_hosts": ["hooks.example.com"], "webhook_secrets": {"default": "s3cret"}}
    with TaskDispatcher(settings=load(broker_url=broker_url, **hooks)) as running:
        yield running


def submit(dispatcher: TaskDispatcher, count: int, **about: object) -> list[str]:
    requests = [{"type": "custom_task_type_1", "payload": {}, **about} for _ in range(count)]
    return [answer.task_id for answer in dispatcher.dispatch_batch(requests)]


def test_a_meeting_is_cancelled_with_its_reason_and_who_did_it(mt: Callable, dispatcher: TaskDispatcher) -> None:
    mine, others = submit(dispatcher, 3, meeting_id=456), submit(dispatcher, 1, meeting_id=4567)
    answer = mt("cancel", "--meeting", "456", "--dry-run")
    assert (answer.code, answer.out) == (0, "3 would be cancelled, 0 told to stop; nothing was done\n")
    assert dispatcher.store.live_count() == 4
    answer = mt("cancel", "--meeting", "456", "--reason", "called off", "--json")
    assert answer.code == 0
    assert answer.document == {"cancelled": 3, "told": 0, "already_final": 0, "dry_run": False}
    record = dispatcher.get(mine[0])
    assert (record.state, record.cancel_reason) == (TaskState.CANCELLED, "called off")
    assert record.cancel_actor.startswith("cli")
    assert dispatcher.get_status(others[0]) is TaskState.PENDING


def test_filters_are_taken_together(mt: Callable, dispatcher: TaskDispatcher) -> None:
    submit(dispatcher, 2, user_id=7)
    submit(dispatcher, 1, user_id=8)
    answer = mt("cancel", "--user", "7", "--state", "queued", "--type", "custom_task_type_1", "--queue", "custom_tasks")
    assert (answer.code, answer.out) == (0, "2 cancelled, 0 told to stop, 0 had ended\n")
    assert dispatcher.store.live_count() == 1


@pytest.mark.parametrize(
    "arguments",
    [(), ("some-id", "--meeting", "4"), ("some-id", "--dry-run"), ("--state", "asleep")],
    ids=["nothing", "id and filter", "id on trial", "unknown state"],
)
def test_what_says_too_little_or_too_much_is_a_wrong_usage(
    mt: Callable, dispatcher: TaskDispatcher, arguments: tuple[str, ...]
) -> None:
    submit(dispatcher, 1)
    assert mt("cancel", *arguments).code == 2
    assert dispatcher.store.live_count() == 1


def test_deliveries_are_listed_shown_and_not_repeated_while_they_are_tried(
    mt: Callable, caller: TaskDispatcher
) -> None:
    assert mt("webhooks", "list", "--json").document == []
    (task_id,) = submit(caller, 1, callback_url=URL)
    caller.cancel(task_id)
    SubmitCallbacks(caller.app).run_once()
    (row,) = mt("webhooks", "list", "--json").document
    assert (row["task_id"], row["event"], row["url"], row["state"]) == (task_id, "task.cancelled", URL, "pending")
    assert row["attempts"] == []
    assert URL in mt("webhooks", "list").out
    shown = mt("webhooks", "show", row["id"])
    assert shown.code == 0
    assert task_id in shown.out
    assert mt("webhooks", "show", row["id"], "--json").document == row
    assert mt("webhooks", "retry", row["id"]).code == 1
    assert mt("webhooks", "show", "nobody").code == 1
    caller.cancel(row["id"])
    again = mt("webhooks", "retry", row["id"], "--json").document["delivery_id"]
    assert caller.get(again).payload == caller.get(row["id"]).payload
