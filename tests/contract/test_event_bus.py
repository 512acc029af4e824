"""What every event bus keeps; each implementation runs this suite."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from meetingtasks.events import BusStopped, Event, EventBus, LocalEventBus, RedisPubSubQueue
from tests.support.eventually import eventually

IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], EventBus]] = {
    "local": lambda _request: LocalEventBus(buffer_size=20_000, workers=4),
    "redis": lambda request: RedisPubSubQueue(request.getfixturevalue("broker_url"), buffer_size=20_000),
}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def bus(request: pytest.FixtureRequest) -> Iterator[EventBus]:
    made = IMPLEMENTATIONS[request.param](request)
    yield made
    made.stop()


def test_d2_14_a_handler_gets_type_payload_source_and_times(bus: EventBus) -> None:
    heard: list[Event] = []
    bus.on("stream_started", heard.append)
    bus.start()
    assert bus.emit("stream_started", {"stream_id": "stream_123", "meeting_id": 456}, "media_service") is True
    bus.stop()
    (event,) = heard
    assert (event.type, event.payload["stream_id"], event.source) == ("stream_started", "stream_123", "media_service")
    assert event.ts_ms == pytest.approx(event.timestamp * 1000, abs=1)
    assert (event.v, event.meeting_id, bool(event.message_id)) == (1, 456, True)


def test_a_handler_of_one_spelling_hears_the_other(bus: EventBus) -> None:
    heard: list[str] = []
    bus.on("meeting.user_joined", lambda event: heard.append(f"dotted {event.type}"))
    bus.on("user_joined", lambda event: heard.append(f"plain {event.type}"))
    bus.start()
    bus.emit("user_joined", {"user_id": 123}, "meeting_service")
    bus.stop()
    assert sorted(heard) == ["dotted user_joined", "plain user_joined"]


def test_d2_13_every_handler_of_a_type_hears_it_and_a_failing_one_breaks_nothing(bus: EventBus) -> None:
    heard: list[str] = []

    def fail(_event: Event) -> None:
        raise SystemExit("a handler that fails on purpose")

    bus.on("recording_stopped", fail)
    bus.on("recording_stopped", lambda event: heard.append(event.payload["id"]))
    bus.start()
    for number in range(10):
        bus.emit("recording_stopped", {"id": f"r{number}"}, "media_service")
    bus.stop()
    assert heard == [f"r{number}" for number in range(10)]
    expected = {
        "total_emitted": 10,
        "total_processed": 10,
        "event_type_count": 1,
        "total_dropped": 0,
        "handler_errors": 10,
    }
    assert bus.get_stats().items() >= expected.items()


def test_d2_13_eight_threads_emit_and_nothing_is_lost_or_doubled_or_out_of_order(bus: EventBus) -> None:
    threads, each = 8, 500
    heard: dict[str, list[tuple[int, int]]] = defaultdict(list)
    inside = 0
    most_inside = 0

    def keep(event: Event) -> None:
        nonlocal inside, most_inside
        inside += 1
        most_inside = max(most_inside, inside)
        heard[event.type].append((event.payload["thread"], event.payload["number"]))
        inside -= 1

    bus.on("stream_started", keep)
    heard_too: list[tuple[int, int]] = []
    bus.on("stream_started", lambda event: heard_too.append((event.payload["thread"], event.payload["number"])))
    bus.start()

    def emit(thread: int) -> None:
        for number in range(each):
            bus.emit("stream_started", {"thread": thread, "number": number}, "test")

    emitters = [threading.Thread(target=emit, args=(thread,)) for thread in range(threads)]
    for emitter in emitters:
        emitter.start()
    for emitter in emitters:
        emitter.join()
    bus.stop()
    wanted = {(thread, number) for thread in range(threads) for number in range(each)}
    for got in (heard["stream_started"], heard_too):
        assert len(got) == threads * each
        assert set(got) == wanted
        for thread in range(threads):
            assert [number for of, number in got if of == thread] == list(range(each))
    assert most_inside == 1  # a handler gets its events one at a time
    assert bus.get_stats()["total_processed"] == threads * each


def test_b_18_stop_hands_over_what_was_accepted_and_refuses_what_comes_later(bus: EventBus) -> None:
    heard: list[int] = []
    bus.on("meeting_ended", lambda event: heard.append(event.payload["n"]))
    for number in range(1000):
        bus.emit("meeting_ended", {"n": number}, "test")
    bus.start()
    bus.stop()
    assert heard == list(range(1000))
    with pytest.raises(BusStopped):
        bus.emit("meeting_ended", {"n": 1000}, "test")
    bus.stop()  # a second time changes nothing


def test_start_twice_and_start_after_stop(bus: EventBus) -> None:
    heard: list[int] = []
    bus.on("meeting_created", lambda event: heard.append(event.payload["n"]))
    bus.start()
    bus.start()
    bus.emit("meeting_created", {"n": 1}, "test")
    bus.stop()
    bus.start()
    bus.emit("meeting_created", {"n": 2}, "test")
    eventually(lambda: heard == [1, 2])


def test_off_ends_one_handler_or_all_of_a_type(bus: EventBus) -> None:
    heard: list[str] = []

    def first(_event: Event) -> None:
        heard.append("first")

    def second(_event: Event) -> None:
        heard.append("second")

    bus.on("model_loaded", first)
    bus.on("model_loaded", first)  # a second time changes nothing
    bus.on("model_loaded", second)
    assert bus.off("model.loaded", first) == 1
    assert bus.off("model_loaded", first) == 0
    bus.start()
    bus.emit("model_loaded", {}, "ai")
    eventually(lambda: heard == ["second"])
    assert bus.off("model_loaded") == 1
    bus.emit("model_loaded", {}, "ai")
    bus.stop()
    assert heard == ["second"]
    assert bus.get_stats()["event_type_count"] == 0


def test_what_the_emitter_changes_afterwards_does_not_change_the_event(bus: EventBus) -> None:
    heard: list[Event] = []
    bus.on("meeting_created", heard.append)
    payload = {"n": 1}
    bus.emit("meeting_created", payload, "test")
    payload["n"] = 2
    bus.start()
    bus.stop()
    assert heard[0].payload == {"n": 1}
