"""A cap holds for whatever carries its name, parks what is too many, and never stands in others' way."""

from collections.abc import Iterator

import pytest
import redis

from meetingtasks.broker import LeaseOptions, LeaseQueue, Outgoing, scripts
from meetingtasks.broker.keys import WHOLE_QUEUE, QueueKeys
from meetingtasks.clock import SYSTEM
from tests.integration.broker.fleet import Fleet
from tests.support.eventually import eventually

SHORT = LeaseOptions(lease_s=0.2, renew_s=0.1)


@pytest.fixture
def queue(redis_url: str) -> Iterator[LeaseQueue]:
    with redis.Redis.from_url(redis_url) as client:
        yield LeaseQueue(client, "ai_tasks")


def put(queue: LeaseQueue, name: str, number: int, *, cap: str = "", priority: int = 6) -> None:
    queue.enqueue_many([Outgoing(f"{name}{i}", b"", cap=cap, priority=priority) for i in range(number)])


def taken(queue: LeaseQueue, n: int = 100) -> list[str]:
    return [message.id for message in queue.fetch(n, consumer="c")]


def limit(queue: LeaseQueue, name: str, text: str) -> None:
    scripts.limit(queue.keys, name, text).run(queue.client)


def test_x_08_a_full_cap_lets_everything_else_pass(queue: LeaseQueue) -> None:
    put(queue, "capped", 3000, cap="video=2", priority=0)
    put(queue, "other", 3)
    started: list[str] = []
    while more := taken(queue, 5):  # one call parks a thousand at most, so that it stays short
        started += more
    assert not more
    assert started == ["capped0", "capped1"]
    eventually(lambda: started.extend(taken(queue, 5)) or len(started) == 5)
    assert started[2:] == ["other0", "other1", "other2"]
    assert (queue.size().parked, queue.size().total_ready) == (2998, 0)


def test_a_freed_place_goes_to_the_most_important_of_its_name(queue: LeaseQueue) -> None:
    put(queue, "low", 3, cap="video=1", priority=9)
    (first,) = queue.fetch(5, consumer="c")
    put(queue, "urgent", 2, cap="video=1", priority=0)
    assert taken(queue) == []
    for expected in ("urgent0", "urgent1", "low1", "low2"):
        queue.ack([first])
        (first,) = queue.fetch(5, consumer="c")
        assert first.id == expected


@pytest.mark.parametrize("way", ["ack", "reject", "release", "defer", "expire"])
def test_every_way_out_of_work_frees_the_place_and_rings(queue: LeaseQueue, way: str) -> None:
    put(queue, "m", 2, cap="video=1")
    held = queue.fetch(5, consumer="c")
    assert queue.client.llen(queue.keys.bell) == 0
    {
        "ack": lambda: queue.ack(held),
        "reject": lambda: queue.reject(held, reason="no"),
        "release": lambda: queue.release(held),
        "defer": lambda: queue.release(held, delay_s=3600),
        "expire": lambda: queue.expire(held),
    }[way]()
    assert queue.client.llen(queue.keys.bell) == 1
    assert taken(queue) == (["m0"] if way == "release" else ["m1"])


def test_places_of_a_worker_that_died_are_free_when_its_leases_end(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        queue = LeaseQueue(client, "ai_tasks", options=SHORT)
        put(queue, "m", 4, cap="video=2")
        assert taken(queue) == ["m0", "m1"]
        assert taken(queue) == []
        again: list[str] = []
        eventually(lambda: again.extend(taken(queue)) or len(again) >= 2)
        assert sorted(again[:2]) == ["m0", "m1"]
        assert client.zcard(queue.keys.working) == 2


def test_a_cap_that_is_set_counts_what_is_in_work_already(queue: LeaseQueue) -> None:
    put(queue, "m", 6, cap="mail")
    held = queue.fetch(3, consumer="c")
    limit(queue, "mail", "2 - 1")
    assert taken(queue) == []
    queue.ack(held[:1])
    assert taken(queue) == []
    limit(queue, "mail", "4 - 1")
    assert taken(queue) == ["m3", "m4"]
    limit(queue, "mail", "")
    assert taken(queue) == ["m5"]


def test_a_cap_of_0_stops_a_type_until_it_is_raised(queue: LeaseQueue) -> None:
    limit(queue, "mail", "0 - 1")
    put(queue, "m", 2, cap="mail")
    assert taken(queue) == []
    assert queue.client.llen(queue.keys.list) == 0, "idle workers would look again and again"
    limit(queue, "mail", "- - 1")
    assert taken(queue) == ["m0", "m1"]


def test_d4_02_a_queues_own_cap_holds_over_all_consumers(queue: LeaseQueue) -> None:
    limit(queue, WHOLE_QUEUE, "2 - 1")
    put(queue, "m", 5)
    first = queue.fetch(1, consumer="a")
    second = queue.fetch(9, consumer="b")
    assert [m.id for m in (*first, *second)] == ["m0", "m1"]
    assert taken(queue) == []
    assert queue.client.llen(queue.keys.list) == 0, "idle workers would look again and again"
    queue.ack(first)
    assert queue.client.llen(queue.keys.list) == 1
    assert taken(queue) == ["m2"]


def test_a_full_queue_does_not_hold_up_its_neighbour(queue: LeaseQueue) -> None:
    limit(queue, WHOLE_QUEUE, "1 - 1")
    put(queue, "m", 3, priority=0)
    neighbour = LeaseQueue(queue.client, "media_tasks")
    put(neighbour, "n", 2)
    call = scripts.fetch([queue.keys, neighbour.keys], 9, "o", LeaseOptions().terms)
    assert [m.id for m in call.run(queue.client).messages] == ["m0", "n0", "n1"]


@pytest.mark.parametrize("name", ["mail", WHOLE_QUEUE])
def test_a_rate_is_never_exceeded_and_used_to_the_full(queue: LeaseQueue, name: str) -> None:
    rate, burst, number = 20, 3, 40
    limit(queue, name, f"- {rate} {burst}")
    put(queue, "m", number, cap="mail")
    starts: list[tuple[float, float]] = []

    def fetch() -> bool:
        before_s = SYSTEM.monotonic_s()
        number_now = len(taken(queue))
        starts.extend([(before_s, SYSTEM.monotonic_s())] * number_now)
        return len(starts) == number

    eventually(fetch, 30)
    for first, (began_s, _) in enumerate(starts):
        for last, (_, ended_s) in enumerate(starts[first:]):
            # the starts themselves lie between these two; the server counts whole milliseconds
            assert last + 1 <= burst + rate * (ended_s - began_s + 0.002)


def test_who_waits_for_a_token_is_told_when_it_comes(queue: LeaseQueue) -> None:
    limit(queue, "mail", "- 0.5 1")
    put(queue, "m", 2, cap="mail")
    fetched = scripts.fetch([queue.keys], 9, "o", LeaseOptions().terms).run(queue.client)
    assert [m.id for m in fetched.messages] == ["m0"]
    assert fetched.wait_ms is not None
    assert 1000 < fetched.wait_ms <= 2000


def test_a_message_that_goes_unrun_leaves_its_start_to_the_next(queue: LeaseQueue) -> None:
    put(queue, "m", 3, cap="video=1")
    held = queue.fetch(1, consumer="c")
    assert taken(queue) == []  # m1 and m2 are parked
    queue.ack(held)
    queue.fetch(0, consumer="clock")  # m1 is ready
    assert queue.explain("m1").place == "ready"
    scripts.purge(queue.keys, ["m1"]).run(queue.client)
    assert taken(queue) == ["m2"]


def test_fairness_is_not_spent_on_what_is_parked(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"giant{i}", b"", key="giant", cap="video=1") for i in range(100)])
    held = queue.fetch(5, consumer="c")
    assert taken(queue) == []
    queue.enqueue_many([Outgoing("small", b"", key="small", cap="video=1")])
    started = []
    for _ in range(3):
        queue.ack(held)
        held = queue.fetch(5, consumer="c")
        started += [m.id for m in held]
    assert "small" in started


def test_many_parked_messages_cost_a_fetch_nothing(queue: LeaseQueue) -> None:
    put(queue, "m", 5000, cap="video=1")
    held = queue.fetch(1, consumer="c")
    while queue.size().total_ready:
        queue.fetch(1, consumer="c")
    before = calls(queue)
    for _ in range(10):
        queue.ack(held)
        held = queue.fetch(1, consumer="c")
    assert len(held) == 1
    assert calls(queue) - before < 10 * 80


def calls(queue: LeaseQueue) -> int:
    return sum(row["calls"] for row in queue.client.info("commandstats").values())


def test_messages_of_an_older_version_are_still_read(queue: LeaseQueue) -> None:
    queue.enqueue(b"{}", message_id="old", key="meeting")
    value = queue.client.hget(queue.keys.messages, "old")
    assert value is not None
    assert value.split(b"\n")[0].endswith(b" meeting")
    assert queue.fetch(1, consumer="c")[0].stored.key == "meeting"


def only_naps(headers: object) -> tuple[str, int] | None:
    return ("nap", 2) if str(dict(headers)["task"]).endswith("nap") else None  # type: ignore[call-overload] # a mapping


def test_a_cap_holds_over_two_workers_at_every_instant(fleet: Fleet) -> None:
    fleet.app.conf.broker_transport_options = {"cap_of": only_naps}
    for _ in range(2):
        fleet.worker(concurrency=4, pool="threads")
    for i in range(10):
        fleet.send("nap", f"n{i}", 0.15)
    for i in range(10):
        fleet.send("add", i, 0)
    eventually(lambda: fleet.times("end n") == 10 and fleet.times("add") == 10, 60)
    at_once, most = 0, 0
    for line in fleet.written():
        at_once += line.startswith("start") - line.startswith("end")
        most = max(most, at_once)
    assert most == 2
    assert fleet.client.zcard(QueueKeys("celery").working) <= 2
