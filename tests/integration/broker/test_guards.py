"""What the scripts of a queue refuse, bound and leave alone: one small case for each guard."""

from collections.abc import Iterator

import pytest
import redis

from meetingtasks.broker import LeaseQueue, scripts
from meetingtasks.broker.keys import TOKEN, QuarantineKeys
from meetingtasks.broker.records import Leased, Outgoing, Placed, Verdict
from tests.support.eventually import eventually

LONG_MS = 3_600_000


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened
        opened.config_set("maxmemory", 0)


@pytest.fixture
def queue(client: redis.Redis) -> LeaseQueue:
    return LeaseQueue(client, "ai_tasks")


def now_ms(queue: LeaseQueue) -> int:
    seconds, microseconds = queue.client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def take(queue: LeaseQueue, message_id: str, *, consumer: str = "me", lifetime_ms: int = 0) -> Leased:
    """Enqueue a message and lease it."""
    queue.enqueue_many([Outgoing(message_id, b"{}", lifetime_ms=lifetime_ms)])
    (message,) = queue.fetch(1, consumer=consumer)
    return message


def held(message: Leased) -> str:
    return f"{message.owner} {message.id}"


def ack(queue: LeaseQueue, message: Leased, mark: str) -> None:
    done = [scripts.Acknowledgement(queue.name, message.id, message.owner, mark)]
    assert scripts.ack(queue.keys, done, dedupe_ms=queue.options.dedupe_ms).run(queue.client) == [True]


# ---- whose a message is


def test_only_what_the_unanswered_fetch_took_goes_back(queue: LeaseQueue) -> None:
    mine, others = take(queue, "a", consumer="me"), take(queue, "b", consumer="other")
    assert scripts.abandon(queue.keys, mine.owner).run(queue.client) == 1
    assert (queue.renew([mine]), queue.renew([others])) == ([mine], [])
    assert [stored.id for stored in queue.peek()] == ["a"]


def test_an_acknowledgement_that_comes_too_late_ends_nothing(queue: LeaseQueue) -> None:
    mine = take(queue, "a")
    late = scripts.Acknowledgement(queue.name, "a", "somebody else")
    fetched = scripts.fetch([queue.keys], 0, "me", queue.options.terms, acks=[late]).run(queue.client)
    assert fetched.lost == (0,)
    assert queue.ack([mine]) == []


def test_nobody_elses_message_is_quarantined(queue: LeaseQueue) -> None:
    mine = take(queue, "a")
    call = scripts.quarantine(
        queue.keys, QuarantineKeys(""), message_id="a", owner="somebody else", entry_id="e", note="{}"
    )
    assert call.run(queue.client) is False
    assert queue.ack([mine]) == []


def test_a_message_that_is_run_is_not_purged(queue: LeaseQueue) -> None:
    mine = take(queue, "a")
    assert scripts.waiting(queue.keys, limit=10).run(queue.client) == []
    assert scripts.purge(queue.keys, ["a"]).run(queue.client) == []
    assert queue.release([mine]) == []
    assert [stored.id for stored in queue.peek()] == ["a"]


# ---- submissions that are done


@pytest.mark.parametrize("with_fetch", [False, True])
def test_a_done_submission_is_not_run_again_until_it_is_forgotten(queue: LeaseQueue, with_fetch: bool) -> None:
    mine, again = take(queue, "a"), Outgoing("a", b"{}", mark="first")
    if with_fetch:
        done = [scripts.Acknowledgement(queue.name, "a", mine.owner, "first")]
        scripts.fetch([queue.keys], 0, "me", queue.options.terms, acks=done).run(queue.client)
    else:
        ack(queue, mine, "first")
    assert queue.enqueue_many([again]) == [Placed.REFUSED]
    queue.client.zadd(queue.keys.done, {"first": now_ms(queue) - queue.options.dedupe_ms - 1})
    ack(queue, take(queue, "b"), "second")
    assert queue.enqueue_many([again]) == [Placed.READY]


def test_the_memory_of_done_submissions_is_bounded(queue: LeaseQueue) -> None:
    queue.client.zadd(queue.keys.done, dict.fromkeys(map(str, range(20_000)), now_ms(queue)))
    ack(queue, take(queue, "a"), "one more")
    assert queue.client.zcard(queue.keys.done) == 20_000
    assert 0 < queue.client.pttl(queue.keys.done) <= queue.options.dedupe_ms


def test_a_full_server_takes_no_new_message(queue: LeaseQueue) -> None:
    queue.client.config_set("maxmemory", 1)
    for delay_ms in (0, LONG_MS):
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            queue.enqueue_many([Outgoing("a", b"{}", delay_ms=delay_ms)])
    assert (queue.size().total_ready, queue.size().delayed) == (0, 0)


def test_what_is_taken_ends_although_the_server_is_full(queue: LeaseQueue) -> None:
    for message_id in "abcdefg":
        queue.enqueue(b"{}", message_id=message_id)
    queue.client.config_set("maxmemory", 1)
    mine = {message.id: message for message in queue.fetch(6, consumer="me")}
    assert queue.renew(list(mine.values())) == []
    assert queue.ack([mine["a"]]) == []
    assert queue.reject([mine["b"]], reason="rejected") == []
    assert queue.expire([mine["c"]]) == []
    assert queue.release([mine["d"]]) == []
    assert queue.release([mine["e"]], delay_s=60) == []
    shelf = QuarantineKeys("")
    aside = scripts.quarantine(queue.keys, shelf, message_id="f", owner=mine["f"].owner, entry_id="e", note="{}")
    assert aside.run(queue.client) is True
    (again,) = queue.fetch(1, consumer="me")
    assert scripts.abandon(queue.keys, again.owner).run(queue.client) == 1
    assert queue.purge() == 3


# ---- dead letters


def test_a_dead_letter_that_is_submitted_anew_is_a_letter_no_more(queue: LeaseQueue) -> None:
    queue.reject([take(queue, "a")], reason="rejected")
    assert queue.enqueue_many([Outgoing("a", b"{}")]) == [Placed.READY]
    assert (queue.size().total_ready, queue.size().dead, queue.client.hlen(queue.keys.graves)) == (1, 0, 0)


def test_a_message_that_lost_its_worker_too_often_is_not_run_again(queue: LeaseQueue) -> None:
    queue.enqueue(b"{}", message_id="a")
    for deliveries in range(queue.options.max_deliveries):
        (message,) = queue.fetch(1, consumer="me")
        assert (message.verdict, message.stored.deliveries) == (Verdict.RUN, deliveries)
        queue.client.zadd(queue.keys.leases, {held(message): 1.5})
    (condemned,) = queue.fetch(1, consumer="me")
    assert condemned.verdict is Verdict.EXHAUSTED


def test_a_dead_letter_whose_id_is_live_is_not_revived(queue: LeaseQueue) -> None:
    queue.reject([take(queue, "a")], reason="rejected")
    grave = queue.client.hget(queue.keys.graves, "a")
    queue.enqueue_many([Outgoing("a", b"{}")])
    queue.client.hset(queue.keys.graves, "a", grave)
    assert queue.revive(["a"]) == []
    assert len(queue.peek()) == 1


def test_a_revived_letter_has_no_start_by_time(queue: LeaseQueue) -> None:
    queue.reject([take(queue, "a", lifetime_ms=LONG_MS)], reason="rejected")
    assert queue.revive(["a"]) == ["a"]
    assert queue.peek()[0].expires_ms == 0


def test_a_message_given_back_too_often_is_a_dead_letter(queue: LeaseQueue) -> None:
    queue.enqueue(b"{}", message_id="a")
    for _ in range(queue.options.max_deliveries):
        assert queue.size().dead == 0
        assert queue.release(queue.fetch(1, consumer="me"), counted=True) == []
    assert (queue.size().total_ready, queue.size().dead) == (0, 1)


# ---- leases after a silence


@pytest.fixture
def expired(queue: LeaseQueue) -> Leased:
    """Give a message whose lease has just ended on a queue that nobody has touched for long."""
    message = take(queue, "a", consumer="holder")
    queue.client.zadd(queue.keys.leases, {held(message): 1})
    queue.client.hset(queue.keys.state, "seen", now_ms(queue) - LONG_MS)
    return message


def test_after_a_silence_a_holder_has_time_to_renew(queue: LeaseQueue, expired: Leased) -> None:
    assert queue.fetch(1, consumer="other") == []
    assert queue.renew([expired]) == []


def test_without_a_silence_an_ended_lease_is_taken_over_at_once(queue: LeaseQueue, expired: Leased) -> None:
    queue.client.hset(queue.keys.state, "seen", now_ms(queue))
    assert [message.id for message in queue.fetch(1, consumer="other")] == [expired.id]


def test_a_lease_that_had_its_time_gets_no_more_of_it(queue: LeaseQueue, expired: Leased) -> None:
    queue.client.zadd(queue.keys.leases, {held(expired): 1.5})
    assert [message.id for message in queue.fetch(1, consumer="other")] == [expired.id]


def test_a_holder_that_renews_breaks_the_silence(queue: LeaseQueue, expired: Leased) -> None:
    queue.renew([expired])
    assert now_ms(queue) - int(queue.client.hget(queue.keys.state, "seen") or 0) < LONG_MS / 2


def test_when_the_clock_was_set_back_no_lease_lasts_for_ever(queue: LeaseQueue, expired: Leased) -> None:
    queue.client.zadd(queue.keys.leases, {held(expired): now_ms(queue) + LONG_MS})
    queue.client.hset(queue.keys.state, "seen", now_ms(queue) + LONG_MS)
    assert queue.fetch(1, consumer="other") == []
    assert (queue.client.zscore(queue.keys.leases, held(expired)) or 0) < now_ms(queue) + LONG_MS / 2


# ---- damage


def test_places_without_a_message_keep_nothing_from_its_way(queue: LeaseQueue) -> None:
    queue.client.zadd(queue.keys.delayed, {"due": 1})
    queue.client.zadd(queue.keys.leases, {"owner ended": 1.5})
    queue.client.zadd(queue.keys.ready, {"0" * 16 + "ready": 1})
    queue.enqueue(b"{}", message_id="a")
    assert [message.id for message in queue.fetch(2, consumer="me")] == ["a"]
    size = queue.size()
    assert (size.total_ready, size.delayed, size.leased, size.counters["corrupt"]) == (0, 0, 1, 1)


def test_what_another_program_pushed_is_kept_for_adoption(queue: LeaseQueue) -> None:
    queue.client.rpush(queue.keys.list, b"foreign")
    queue.fetch(0, consumer="me")
    assert queue.client.lrange(queue.keys.inbox, 0, -1) == [b"foreign"]


# ---- how much one call does


def test_one_fetch_condemns_no_more_than_a_hundred(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"{}", lifetime_ms=1) for i in range(150)])
    latest_ms = now_ms(queue) + 1
    eventually(lambda: now_ms(queue) > latest_ms)
    verdicts = [message.verdict for message in queue.fetch(1, consumer="me")]
    assert verdicts == [Verdict.EXPIRED] * 100


def test_one_fetch_looks_after_no_more_than_two_hundred_that_are_due(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"{}", delay_ms=LONG_MS) for i in range(250)])
    queue.client.zadd(queue.keys.delayed, dict.fromkeys(map(str, range(250)), 1))
    queue.fetch(0, consumer="me")
    assert queue.size().delayed == 50


def test_one_fetch_takes_back_no_more_than_two_hundred(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"{i}", b"{}") for i in range(250)])
    mine = queue.fetch(250, consumer="me")
    queue.client.zadd(queue.keys.leases, {held(message): 1 for message in mine})
    queue.fetch(0, consumer="other")
    assert queue.size().leased == 50


# ---- order


def test_a_meeting_that_comes_later_does_not_make_up_for_the_time_before(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing(f"early{i}", b"{}", key="early") for i in range(20)])
    queue.fetch(10, consumer="me")
    queue.enqueue_many([Outgoing(f"late{i}", b"{}", key="late") for i in range(10)])
    late = [message for message in queue.fetch(10, consumer="me") if message.id.startswith("late")]
    assert len(late) < 7


# ---- waking


def test_an_idle_consumer_is_woken_once_by_what_is_due_sooner(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing("a", b"{}", delay_ms=LONG_MS)])
    queue.enqueue_many([Outgoing("b", b"{}", delay_ms=LONG_MS // 2)])
    assert queue.client.lrange(queue.keys.bell, 0, -1) == [TOKEN]
    queue.fetch(1, consumer="me")
    queue.enqueue_many([Outgoing("c", b"{}", delay_ms=LONG_MS)])
    assert queue.client.lrange(queue.keys.bell, 0, -1) == []


def test_who_is_busy_leaves_the_next_due_time_to_another(queue: LeaseQueue) -> None:
    queue.enqueue_many([Outgoing("a", b"{}"), Outgoing("b", b"{}", delay_ms=1000)])
    queue.client.delete(queue.keys.bell)
    queue.fetch(1, consumer="me")
    assert queue.client.lrange(queue.keys.bell, 0, -1) == [TOKEN]
