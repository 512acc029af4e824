"""What starts when: strict priority, fairness between meetings, arrival order, and the exact moment."""

import threading
import time
from typing import Any

import pytest
import redis

from meetingtasks.broker import LeaseOptions, LeaseQueue, Outgoing, scripts
from meetingtasks.broker.keys import QueueKeys
from tests.integration.broker.fleet import Fleet
from tests.support.eventually import eventually


@pytest.fixture
def queue(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        yield LeaseQueue(client, "ai_tasks")


def test_messages_of_one_meeting_leave_in_order_of_arrival(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i:03}", b"", key="m") for i in range(300)])
    assert [m.id for m in queue.fetch(300, consumer="c")] == [f"{i:03}" for i in range(300)]


def test_meetings_with_one_message_each_leave_in_order_of_arrival(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i:03}", b"", key=f"m{i}") for i in range(300)])
    assert [m.id for m in queue.fetch(300, consumer="c")] == [f"{i:03}" for i in range(300)]


def test_a_giant_meeting_does_not_delay_the_others(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"giant{i}", b"", key="giant") for i in range(1000)])
    for i in range(50):
        queue.enqueue_many([Outgoing(f"small{i}.{j}", b"", key=f"small{i}") for j in range(2)])
    started = [m.id for m in queue.fetch(1100, consumer="c")]
    last_small = max(i for i, name in enumerate(started) if name.startswith("small"))
    assert last_small < 104


def test_a_meeting_that_submits_one_by_one_gets_no_more_than_its_share(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"waiting{i}", b"", key="patient") for i in range(50)])
    started = []
    for i in range(40):
        queue.enqueue(b"", message_id=f"eager{i}", key="eager")
        started += [m.id for m in queue.fetch(1, consumer="c")]
    assert 18 <= sum(name.startswith("eager") for name in started) <= 22


def test_weight_is_a_meetings_share(queue: LeaseQueue) -> None:
    for i in range(200):
        queue.enqueue(b"", message_id=f"heavy{i}", key="heavy", weight=3)
        queue.enqueue(b"", message_id=f"light{i}", key="light")
    started = [m.id for m in queue.fetch(100, consumer="c")]
    assert 73 <= sum(name.startswith("heavy") for name in started) <= 77


def test_no_lane_is_remembered_after_a_drain(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"", key=f"m{i % 97}", priority=i % 10) for i in range(500)])
    assert queue.client.zcard(queue.keys.lanes) > 97
    queue.ack(queue.fetch(500, consumer="c"))
    assert queue.client.keys() == [queue.keys.state.encode()]


def test_a_message_given_back_is_next_again(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"") for i in range(3)])
    queue.release(queue.fetch(1, consumer="c"))
    assert [m.id for m in queue.fetch(3, consumer="c")] == ["0", "1", "2"]


def test_the_most_important_of_several_queues_goes_first_and_equals_take_turns(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for name in ("a", "b", "c"):
            LeaseQueue(client, name).enqueue_many(
                [Outgoing(f"{name}{i}", b"", priority=6 if i else 0) for i in range(3)]
            )
        LeaseQueue(client, "b").enqueue(b"", message_id="b-high", priority=3)
        keys = [QueueKeys(name) for name in ("a", "b", "c")]
        started = [m.id for m in scripts.fetch(keys, 99, "o", LeaseOptions().terms).run(client).messages]
        assert sorted(started[:3]) == ["a0", "b0", "c0"]
        assert started[3] == "b-high"
        assert {name[0] for name in started[4:7]} == {"a", "b", "c"}


def test_nothing_waits_inside_a_busy_worker(fleet: Fleet) -> None:
    fleet.worker(concurrency=2)
    for i in range(20):
        fleet.send("nap", f"low{i}", 0.3, priority=9)
    eventually(lambda: fleet.times("start low") >= 2)
    for i in range(4):
        fleet.send("nap", f"critical{i}", 0.05, priority=0)
    sent_at = time.time()
    eventually(lambda: fleet.times("start critical") == 4)
    last_critical = max(float(line.split()[0]) for line in fleet.lines() if " start critical" in line)
    between = [
        line for line in fleet.lines() if " start low" in line and sent_at < float(line.split()[0]) < last_critical
    ]
    assert between == []


def test_an_idle_worker_wakes_exactly_when_something_is_due(fleet: Fleet) -> None:
    fleet.worker(concurrency=2)
    due = {}
    for i, delay_s in enumerate((0.13, 0.37, 0.61, 0.94)):
        due[i] = time.time() + delay_s
        fleet.send("add", i, 0, countdown=delay_s)
    eventually(lambda: fleet.times("add") == 4)
    late = [fleet.at(f"add {i} 0") - when for i, when in due.items()]
    assert min(late) >= -0.005
    assert sorted(late)[2] < 0.09


def test_every_idle_worker_is_woken_when_many_messages_come(fleet: Fleet) -> None:
    workers = [fleet.worker(concurrency=1) for _ in range(3)]
    for i in range(3):
        fleet.send("nap", f"task{i}", 1)
    eventually(lambda: fleet.times("start") == 3)
    starts = [float(line.split()[0]) for line in fleet.lines()]
    assert max(starts) - min(starts) < 0.8
    assert len(workers) == 3


def test_length_of_the_plain_list_is_what_waits(queue: LeaseQueue) -> None:
    for i in range(5):
        queue.enqueue(b"", message_id=f"{i}")
    queue.enqueue(b"", message_id="later", delay_s=60)
    assert queue.client.llen("ai_tasks") == 5
    queue.fetch(2, consumer="c")
    assert queue.client.llen("ai_tasks") == 3
    queue.purge()
    assert queue.client.llen("ai_tasks") == 0


def test_many_threads_share_a_queue_without_sharing_a_message(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"") for i in range(400)])
    got: list[str] = []

    def work(name: str) -> None:
        mine = LeaseQueue(queue.client, "ai_tasks")
        while messages := mine.fetch(7, consumer=name):
            got.extend(m.id for m in messages)
            assert mine.ack(messages) == []

    threads = [threading.Thread(target=work, args=(f"c{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=int) == [f"{i}" for i in range(400)]


def test_what_becomes_due_while_all_slots_are_busy_starts_when_one_is_free(fleet: Fleet) -> None:
    fleet.worker(pool="threads", concurrency=2)
    for i in range(300):  # short tasks, after which the worker asks for more than it has slots for
        fleet.send("total", [i], ignore_result=True)
    eventually(lambda: fleet.queue().size().counters["acked"] == 300)
    fleet.send("add", 1, 1, countdown=0.5)
    with fleet.app.producer_or_acquire() as producer, producer.batch():
        for name in ("one", "other"):
            fleet.send("nap", name, 1.0, producer=producer)
    eventually(lambda: fleet.times("add") == 1)
    assert fleet.at("add") - fleet.at("end") < 0.3
