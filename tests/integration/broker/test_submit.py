"""Submitting without Celery's way through: the same tasks, many at once, and safe to repeat."""

import json

from celery import Celery

from meetingtasks.broker import Placed, install
from meetingtasks.broker.submit import Submitter, TaskTemplate
from tests.integration.broker.fleet import APP, Fleet


def test_submitted_tasks_run_like_any_other(fleet: Fleet) -> None:
    fleet.worker()
    with fleet.app.connection_for_write() as connection:
        messages = [TaskTemplate(f"{APP}.add", "celery").message([i, 1]) for i in range(20)]
        assert Submitter(connection).submit(messages) == [Placed.READY] * 20
    results = [fleet.app.AsyncResult(message["headers"]["id"]).get(timeout=10) for message in messages]
    assert results == list(range(1, 21))


def test_answers_are_in_the_order_of_the_messages(fleet: Fleet) -> None:
    one, other = TaskTemplate("t", "one"), TaskTemplate("t", "other")
    messages = [one.message(), other.message(eta="2099-01-01T00:00:00"), one.message(), one.message(task_id="x")]
    with fleet.app.connection_for_write() as connection:
        submitter = Submitter(connection)
        assert submitter.submit(messages) == [Placed.READY, Placed.DELAYED, Placed.READY, Placed.READY]
        assert submitter.submit(messages) == [Placed.REFUSED] * 4


def test_a_template_makes_what_apply_async_makes(broker_url: str, fleet: Fleet) -> None:
    install()
    with Celery("plain", broker=broker_url, set_as_current=False) as app:
        app.send_task(
            "some.task", [1], {"k": 2}, priority=3, queue="q", time_limit=60, soft_time_limit=50, ignore_result=False
        )
        with app.connection_for_write() as connection:
            template = TaskTemplate("some.task", "q", priority=3, time_limit_s=60, soft_time_limit_s=50)
            Submitter(connection).submit([template.message([1], {"k": 2})])
    by_celery, by_template = (json.loads(stored.payload) for stored in fleet.queue("q").peek())
    assert by_template.keys() == by_celery.keys()
    assert by_template["properties"].keys() == by_celery["properties"].keys()
    own = {"root_id", "id", "origin"}
    for name in by_template["headers"].keys() - own:
        assert by_template["headers"][name] == by_celery["headers"][name], name
