"""Anyone who can reach the server can push anything on a queue; no worker stops for it, and nothing of it is lost."""

import json

import pytest

from meetingtasks.broker import Quarantine
from meetingtasks.broker.keys import STOCK_SEPARATOR
from tests.integration.broker.fleet import APP, Fleet
from tests.support.eventually import eventually
from tests.unit.broker.malformed import MALFORMED, raw


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_every_malformed_message_ends_in_quarantine_and_the_worker_goes_on(fleet: Fleet, pool: str) -> None:
    worker = fleet.worker(pool=pool)
    quarantine = Quarantine(fleet.client)
    for i, message in enumerate(MALFORMED.values()):
        fleet.client.lpush("celery" if i % 2 else f"celery{STOCK_SEPARATOR}3", message)
        if i % 10 == 0:
            fleet.send("add", i, i)
    eventually(lambda: quarantine.size() == len(MALFORMED), within_s=30)
    assert fleet.send("add", 1, 2).get(timeout=10) == 3
    assert worker.popen.poll() is None
    found = quarantine.entries(200)
    assert sorted(entry.raw for entry in found) == sorted(MALFORMED.values())
    assert {entry.queue for entry in found} == {"celery"}
    assert all(entry.reason for entry in found)
    assert worker.output.count("Traceback") == 0


def test_messages_pushed_while_the_worker_is_busy_are_found_too(fleet: Fleet) -> None:
    fleet.worker(concurrency=1)
    fleet.send("nap", "busy", 1)
    eventually(lambda: fleet.times("start busy") == 1)
    fleet.client.rpush("celery", b"behind")
    fleet.send("add", 1, 1)
    fleet.client.lpush("celery", b"in front")
    quarantine = Quarantine(fleet.client)
    eventually(lambda: quarantine.size() == 2)
    eventually(lambda: fleet.times("add") == 1)
    eventually(lambda: not fleet.client.exists("celery"))


def test_a_stock_producers_task_is_adopted_with_its_priority(fleet: Fleet) -> None:
    fleet.client.lpush("celery", raw(body=b"[[7, 1], {}, {}]"))
    fleet.client.lpush(f"celery{STOCK_SEPARATOR}9", raw(body=b"[[8, 1], {}, {}]", properties={"priority": 9}))
    fleet.worker(concurrency=1)
    eventually(lambda: fleet.times("add") == 2)
    assert sorted(fleet.written()) == ["add 7 1", "add 8 1"]


def test_a_stored_message_that_was_damaged_by_hand_ends_in_quarantine(fleet: Fleet) -> None:
    result = fleet.send("add", 1, 1)
    keys = fleet.queue().keys
    value = fleet.client.hget(keys.messages, f"{result.id}:0")
    assert value is not None
    fleet.client.hset(keys.messages, f"{result.id}:0", value.replace(b'"retries":0', b'"retries":"x"'))
    fleet.worker(concurrency=1)
    quarantine = Quarantine(fleet.client)
    eventually(lambda: quarantine.size() == 1)
    (entry,) = quarantine.entries()
    assert entry.reason == "retries is not a count"
    assert json.loads(entry.raw)["headers"]["id"] == result.id
    assert fleet.queue().size().leased == 0


def test_quarantined_messages_can_be_shown_put_back_and_dropped(fleet: Fleet) -> None:
    quarantine = Quarantine(fleet.client)
    fleet.worker(concurrency=1)
    fleet.client.lpush("celery", b"junk", raw(timelimit=5), b"more junk")
    eventually(lambda: quarantine.size() == 3)
    (entry,) = [entry for entry in quarantine.entries() if entry.raw == b"junk"]
    assert quarantine.show(entry.id) == entry
    assert quarantine.requeue([entry.id, "no such entry"]) == [entry.id]
    eventually(lambda: quarantine.size() == 3 and quarantine.show(entry.id) is None)
    assert quarantine.purge([quarantine.entries()[0].id]) == 1
    assert quarantine.purge() == 2
    assert quarantine.size() == 0


def test_a_task_type_that_this_worker_does_not_know_becomes_a_dead_letter(fleet: Fleet) -> None:
    worker = fleet.worker(concurrency=1)
    result = fleet.app.send_task(f"{APP}.no_such_task")
    eventually(lambda: fleet.queue().size().dead == 1)
    assert fleet.queue().explain(f"{result.id}:0").reason == "rejected"
    assert fleet.send("add", 1, 2).get(timeout=10) == 3
    assert worker.popen.poll() is None
