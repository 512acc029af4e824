"""Reactions of a service: once for each event, whatever happens to its workers."""

from collections.abc import Callable

import pytest
from redis.exceptions import RedisError

from meetingtasks.errors import BusinessError
from meetingtasks.events import Event, RedisPubSubQueue
from meetingtasks.events.facts.meeting import MeetingEnded
from meetingtasks.events.reactor import MAX_TRIES, Reaction, Reactor

OpenBus = Callable[..., RedisPubSubQueue]


@pytest.fixture
def bus(open_bus: OpenBus) -> RedisPubSubQueue:
    return open_bus()


def reactor(bus: RedisPubSubQueue, *reactions: Reaction, worker: str = "one", service: str = "media") -> Reactor:
    made = Reactor(bus.log, service, {MeetingEnded: reactions}, worker=worker, take_over_ms=0)
    made.prepare()
    return made


def end_meetings(bus: RedisPubSubQueue, *meetings: int) -> None:
    bus.publish_batch("meeting_events", [MeetingEnded(meeting_id=meeting) for meeting in meetings])


def look(*reactors: Reactor) -> None:
    for one in reactors:
        one.run_once(wait_ms=1)


def test_each_service_reacts_once_however_many_workers_it_has(bus: RedisPubSubQueue) -> None:
    heard: list[tuple[str, object]] = []

    def keep(service: str) -> Reaction:
        return lambda event: heard.append((service, event.payload["meeting_id"]))

    reactors = [
        reactor(bus, keep(service), service=service, worker=worker)
        for service in ("media", "ai")
        for worker in ("one", "two")
    ]
    end_meetings(bus, 1, 2)
    bus.publish("meeting_events", {"type": "meeting.started", "payload": {"meeting_id": 3}})
    look(*reactors, *reactors)
    assert sorted(heard) == [("ai", 1), ("ai", 2), ("media", 1), ("media", 2)]


def test_what_happened_while_the_service_was_away_is_read_later(bus: RedisPubSubQueue) -> None:
    heard: list[object] = []
    reactor(bus)  # it was there once, and has gone
    end_meetings(bus, 1, 2)
    look(reactor(bus, lambda event: heard.append(event.payload["meeting_id"]), worker="two"))
    assert heard == [1, 2]


def test_a_failed_reaction_is_tried_again_by_whoever_looks_and_then_given_up(
    bus: RedisPubSubQueue, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[object] = []

    def fail(event: Event) -> None:
        tries.append(event.payload["meeting_id"])
        raise RuntimeError("a reaction that fails on purpose")

    one, two = reactor(bus, fail), reactor(bus, fail, worker="two")
    end_meetings(bus, 1)
    for _ in range(MAX_TRIES):
        look(one, two)
    assert tries == [1] * MAX_TRIES
    assert "given up" in caplog.text


def test_a_reaction_that_can_never_succeed_is_given_up_at_once(bus: RedisPubSubQueue) -> None:
    tries: list[object] = []

    def refuse(event: Event) -> None:
        tries.append(event.payload["meeting_id"])
        raise BusinessError("refused on purpose")

    one = reactor(bus, refuse)
    end_meetings(bus, 1)
    look(one, one)
    assert tries == [1]


def test_an_event_whose_worker_died_half_way_is_taken_over(bus: RedisPubSubQueue) -> None:
    heard: list[object] = []

    def die(_event: Event) -> None:
        raise RedisError("the connection is lost before the server hears that it is done")

    one = reactor(bus, die)
    two = reactor(bus, lambda event: heard.append(event.payload["meeting_id"]), worker="two")
    end_meetings(bus, 1)
    with pytest.raises(RedisError):
        look(one)
    look(two, two)
    assert heard == [1]


def test_a_server_that_lost_its_log_is_read_from_the_beginning(bus: RedisPubSubQueue) -> None:
    heard: list[object] = []
    one = reactor(bus, lambda event: heard.append(event.payload["meeting_id"]))
    bus.log.client.flushall()
    end_meetings(bus, 1)
    look(one, one)
    assert heard == [1]
