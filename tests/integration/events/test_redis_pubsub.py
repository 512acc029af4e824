"""Events between processes: who hears what, in which order, and how often."""

import threading
from collections.abc import Callable

import pytest
import redis

from meetingtasks.errors import InvalidPayload, PayloadTooLarge
from meetingtasks.events import Event, PubSubMessage, RedisPubSubQueue
from meetingtasks.events.facts.meeting import MeetingUserJoined
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

OpenBus = Callable[..., RedisPubSubQueue]
LISTEN = """
import sys, threading
from meetingtasks.events import RedisPubSubQueue
queue = RedisPubSubQueue(sys.argv[1])
queue.subscribe("meeting_events", lambda m: print("heard", m.type, m.payload["n"], m.message_id, flush=True))
queue.start()
print("listening", flush=True)
threading.Event().wait()
"""


def numbers(heard: list[Event]) -> list[int]:
    return [event.payload["n"] for event in heard]


def test_d2_10_d2_11_d3_38_publish_and_subscribe_as_the_earlier_guide_writes_it(open_bus: OpenBus) -> None:
    heard: list[Event] = []
    pubsub_queue = open_bus()
    pubsub_queue.subscribe("meeting_events", heard.append)
    pubsub_queue.start()
    message_id = pubsub_queue.publish(
        "meeting_events", PubSubMessage(type="user_joined", payload={"user_id": 123, "meeting_id": 456})
    )
    (event,) = eventually(lambda: list(heard))
    assert (event.type, event.payload, event.message_id) == (
        "user_joined",
        {"user_id": 123, "meeting_id": 456},
        message_id,
    )
    assert event.fact == MeetingUserJoined(user_id=123, meeting_id=456)
    assert event.ts_ms == int(message_id.partition("-")[0])
    assert event.timestamp == event.ts_ms / 1000


def test_d2_11_both_spellings_of_a_type_are_one_event(open_bus: OpenBus) -> None:
    heard: list[Event] = []
    bus = open_bus()
    bus.on("meeting.user_joined", heard.append)
    bus.start()
    bus.publish("meeting_events", {"type": "user_joined", "payload": {"n": 1}})
    bus.publish("meeting_events", {"type": "meeting.user_joined", "payload": {"n": 2}})
    bus.publish("meeting_events", {"type": "meeting.user_left", "payload": {"n": 3}})
    eventually(lambda: numbers(heard) == [1, 2])


def test_d1_09_an_event_of_one_process_is_handled_in_two_others(
    broker_url: str, open_bus: OpenBus, start_python: Callable[..., RunningProcess]
) -> None:
    others = [start_python(LISTEN, broker_url, env={"PYTHONPATH": str(ROOT)}) for _ in range(2)]
    for other in others:
        other.wait_for_line("listening")
    message_id = open_bus().publish("meeting_events", {"type": "meeting.ended", "payload": {"n": 7}})
    for other in others:
        other.wait_for_line(f"heard meeting.ended 7 {message_id}")


def test_d2_06_three_subscribers_each_get_every_event_once_and_in_order(open_bus: OpenBus) -> None:
    heard: list[list[Event]] = [[], [], []]
    for number in range(3):
        bus = open_bus()
        bus.subscribe("meeting_events", heard[number].append)
        bus.start()
    publisher = open_bus()
    publisher.publish_batch("meeting_events", [{"type": "meeting.started", "payload": {"n": n}} for n in range(50)])
    for n in range(50, 100):
        publisher.publish("meeting_events", {"type": "meeting.started", "payload": {"n": n}})
    eventually(lambda: [numbers(one) for one in heard] == [list(range(100))] * 3)


def test_d2_07_d3_07_channels_are_apart_and_each_takes_several_handlers(open_bus: OpenBus) -> None:
    meetings: list[Event] = []
    meetings_too: list[Event] = []
    media: list[Event] = []
    bus = open_bus()
    bus.subscribe("meeting_events", meetings.append)
    bus.subscribe("meeting_events", meetings_too.append)
    bus.subscribe("media_events", media.append)
    bus.start()
    for n in range(10):
        bus.publish("media_events" if n % 2 else "meeting_events", {"type": "noted", "payload": {"n": n}})
    eventually(lambda: len(meetings) == len(meetings_too) == len(media) == 5)
    assert numbers(meetings) == numbers(meetings_too) == [0, 2, 4, 6, 8]
    assert numbers(media) == [1, 3, 5, 7, 9]


def test_d3_49_the_counters_have_the_earlier_names(open_bus: OpenBus) -> None:
    heard: list[Event] = []
    bus = open_bus()
    bus.subscribe("meeting_events", heard.append)
    bus.subscribe("media_events", heard.append)
    bus.start()
    bus.publish("meeting_events", {"type": "noted"})
    bus.emit("stream_started", {"stream_id": "s"}, "media_service")
    eventually(lambda: len(heard) == 2)
    expected = {"total_published": 2, "total_received": 2, "channel_count": 2, "total_dropped": 0, "gaps": 0}
    eventually(lambda: bus.get_stats().items() >= expected.items())
    assert bus.unsubscribe("media_events") == 1
    assert bus.get_stats()["channel_count"] == 1


def test_b_19_d2_08_slow_handlers_hold_up_nobody(open_bus: OpenBus) -> None:
    go_on = threading.Event()
    slow: list[int] = []
    quick: list[Event] = []
    bus = open_bus()

    def wait(number: int) -> Callable[[Event], None]:
        def handler(event: Event) -> None:
            go_on.wait(30)
            slow.append(number * 100 + event.payload["n"])

        return handler

    for number in range(6):
        bus.subscribe("meeting_events", wait(number))
    bus.subscribe("meeting_events", quick.append)
    bus.start()
    for n in range(20):
        bus.publish("meeting_events", {"type": "noted", "payload": {"n": n}})
    eventually(lambda: numbers(quick) == list(range(20)))
    assert slow == []
    go_on.set()
    eventually(lambda: len(slow) == 120)
    for number in range(6):  # each had them in order
        assert [n % 100 for n in slow if n // 100 == number] == list(range(20))


def test_a_full_buffer_drops_and_counts_and_the_server_still_has_them(open_bus: OpenBus) -> None:
    go_on = threading.Event()
    begun = threading.Event()

    def handler(_event: Event) -> None:
        begun.set()
        go_on.wait(30)

    bus = open_bus(buffer_size=10)
    bus.subscribe("meeting_events", handler)
    bus.start()
    bus.publish("meeting_events", {"type": "noted", "payload": {"n": 0}})
    begun.wait(10)
    publisher = open_bus()
    publisher.publish_batch("meeting_events", [{"type": "noted", "payload": {"n": n}} for n in range(1, 31)])
    eventually(lambda: bus.get_stats()["total_dropped"] == 20)
    go_on.set()
    eventually(lambda: bus.get_stats()["total_processed"] == 11)
    assert numbers(list(bus.since("meeting_events"))) == list(range(31))


def test_a_subscription_ends_for_one_handler_or_for_all(open_bus: OpenBus) -> None:
    first: list[Event] = []
    second: list[Event] = []
    bus = open_bus()
    bus.start()
    bus.subscribe("my_events", first.append)  # also while it runs, and on a channel of one's own
    bus.subscribe("my_events", second.append)
    bus.publish("my_events", {"type": "noted", "payload": {"n": 1}})
    eventually(lambda: numbers(first) == numbers(second) == [1])
    assert bus.unsubscribe("my_events", first.append) == 1
    bus.publish("my_events", {"type": "noted", "payload": {"n": 2}})
    eventually(lambda: numbers(second) == [1, 2])
    assert numbers(first) == [1]
    assert bus.unsubscribe("my_events") == 1
    assert bus.unsubscribe("my_events") == 0


def test_what_is_published_for_one_occasion_is_one_event(open_bus: OpenBus) -> None:
    bus = open_bus()
    first = bus.publish("meeting_events", {"type": "noted", "payload": {"n": 1}}, once="run 7 ready")
    again = bus.publish("meeting_events", {"type": "noted", "payload": {"n": 2}}, once="run 7 ready")
    other = bus.publish("meeting_events", {"type": "noted", "payload": {"n": 3}}, once="run 8 ready")
    assert first == again != other
    assert numbers(list(bus.since("meeting_events"))) == [1, 3]


def test_since_reads_from_an_id_from_a_time_and_from_the_beginning(open_bus: OpenBus) -> None:
    bus = open_bus()
    ids = bus.publish_batch("ai_events", [{"type": "noted", "payload": {"n": n}} for n in range(1500)])
    assert len(set(ids)) == 1500
    assert numbers(list(bus.since("ai_events"))) == list(range(1500))
    assert numbers(list(bus.since("ai_events", ids[1497]))) == [1498, 1499]
    assert numbers(list(bus.since("ai_events", ids[0], limit=1100))) == list(range(1, 1101))
    assert numbers(list(bus.since("ai_events", int(ids[0].partition("-")[0]), limit=2))) == [0, 1]
    assert list(bus.since("ai_events", ids[-1])) == []
    assert list(bus.since("user_events")) == []


@pytest.mark.parametrize(
    ("payload", "error"),
    [({"n": object()}, InvalidPayload), ({"n": float("nan")}, InvalidPayload), ({"n": "x" * 300_000}, PayloadTooLarge)],
)
def test_what_cannot_be_published_is_an_error_and_leaves_nothing(
    open_bus: OpenBus, payload: dict[str, object], error: type[Exception]
) -> None:
    bus = open_bus()
    with pytest.raises(error):
        bus.publish("meeting_events", PubSubMessage(type="noted", payload=payload))
    with pytest.raises(error):
        bus.emit("noted", payload)
    assert list(bus.since("meeting_events")) == []


def test_programs_that_only_publish_or_only_listen_take_part(open_bus: OpenBus, redis_url: str) -> None:
    heard: list[Event] = []
    bus = open_bus()
    bus.subscribe("meeting_events", heard.append)
    bus.start()
    with redis.Redis.from_url(redis_url, decode_responses=True) as foreign:
        foreign.publish("meeting_events", "nonsense")
        foreign.publish(
            "meeting_events", '{"type": "user_joined", "payload": {"n": 1}, "message_id": "a-b", "timestamp": 1}'
        )
        eventually(lambda: numbers(heard) == [1])
        listener = foreign.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("meeting_events")
        eventually(lambda: foreign.pubsub_numsub("meeting_events")[0][1] == 2)
        message_id = bus.publish("meeting_events", {"type": "user_joined", "payload": {"n": 2}, "source": "test"})
        told = Event.from_json(eventually(lambda: listener.get_message(timeout=0.05))["data"])
        listener.close()
    eventually(lambda: numbers(heard) == [1, 2])
    assert told == heard[1]
    assert (told.message_id, told.source) == (message_id, "test")


def test_a_client_of_redis_py_serves_as_well_as_a_url(redis_url: str) -> None:
    heard: list[Event] = []
    with redis.Redis.from_url(redis_url) as client, RedisPubSubQueue(client) as bus:
        bus.subscribe("meeting_events", heard.append)
        bus.publish("meeting_events", {"type": "noted", "payload": {"n": 1}})
        eventually(lambda: numbers(heard) == [1])
