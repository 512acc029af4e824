"""What the local bus adds to every bus: a bounded buffer, priorities, calls in the emitter, parallel handlers."""

import logging
import threading

import pytest

from meetingtasks.events import Event, EventBufferFull, LocalEventBus
from meetingtasks.states import Priority
from tests.support.eventually import eventually


class Gate:
    """A handler that waits until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.heard: list[object] = []

    def __call__(self, event: Event) -> None:
        self.entered.set()
        assert self.opened.wait(20)
        self.heard.append(event.payload.get("n"))


def test_d2_14_emit_never_blocks_and_a_full_buffer_is_an_error_with_a_count(caplog: pytest.LogCaptureFixture) -> None:
    bus = LocalEventBus(buffer_size=3, workers=1)
    gate = Gate()
    bus.on("stream_started", gate)
    bus.start()
    bus.emit("stream_started", {"n": 0}, "media_service")
    assert gate.entered.wait(10)  # the first one is with its handler and needs no place any more
    for number in (1, 2, 3):
        bus.emit("stream_started", {"n": number}, "media_service")
    with caplog.at_level(logging.WARNING):
        for dropped in (1, 2, 3):
            with pytest.raises(EventBufferFull) as raised:
                bus.emit("stream_started", {"n": 99}, "media_service")
            assert raised.value.details["total_dropped"] == dropped
            assert raised.value.retryable
    assert len([r for r in caplog.records if "dropped" in r.message]) == 1  # not one line per event
    gate.opened.set()
    bus.stop()
    assert gate.heard == [0, 1, 2, 3]
    assert bus.get_stats()["total_dropped"] == 3
    assert sum(r.dropped for r in caplog.records if "dropped" in r.message) == 3  # the rest is told at the end


def test_an_event_without_handlers_needs_no_place() -> None:
    bus = LocalEventBus(buffer_size=1)
    for _ in range(5):
        assert bus.emit("nobody_listens") is True
    assert bus.get_stats()["total_processed"] == 5


def test_a_slow_handler_holds_up_neither_others_of_its_type_nor_other_types() -> None:
    bus = LocalEventBus(workers=2)
    gate, heard = Gate(), []
    bus.on("stream_started", gate)
    bus.on("stream_started", lambda event: heard.append(event.payload["n"]))
    bus.on("stream_stopped", lambda event: heard.append(event.payload["n"]))
    bus.start()
    for number in range(5):
        bus.emit("stream_started", {"n": number})
    bus.emit("stream_stopped", {"n": "stopped"})
    eventually(lambda: len(heard) == 6)
    assert not gate.heard
    gate.opened.set()
    bus.stop()
    assert gate.heard == [0, 1, 2, 3, 4]


def test_urgent_events_go_first_and_equal_ones_in_order() -> None:
    bus = LocalEventBus(workers=1)
    heard: list[str] = []
    bus.on("queue.alarm", lambda event: heard.append(event.payload["n"]))
    bus.on("stream_started", lambda event: heard.append(event.payload["n"]))
    for number in range(3):
        bus.emit("stream_started", {"n": f"normal {number}"})
        bus.emit_with_priority("stream_started", {"n": f"low {number}"}, "test", priority="low")
        bus.emit_with_priority("queue.alarm", {"n": f"critical {number}"}, "test", priority=Priority.CRITICAL)
    bus.stop()  # never started: what was accepted is handed over all the same
    assert heard == [f"{level} {number}" for level in ("critical", "normal", "low") for number in range(3)]


def test_an_unknown_priority_is_refused() -> None:
    bus = LocalEventBus()
    with pytest.raises(ValueError, match="urgent"):
        bus.emit_with_priority("queue.alarm", {}, "test", priority="urgent")


def test_emit_sync_runs_the_handlers_in_the_caller() -> None:
    bus = LocalEventBus()
    threads: list[threading.Thread] = []

    def fail(_event: Event) -> None:
        raise RuntimeError("fails on purpose")

    bus.on("session_created", lambda _event: threads.append(threading.current_thread()))
    assert bus.emit_sync("session_created", {"session_id": "s"}, "test") is True
    bus.on("session_created", fail)
    assert bus.emit_sync("session_created", {"session_id": "s"}, "test") is False
    assert threads == [threading.current_thread()] * 2
    assert bus.get_stats()["handler_errors"] == 1
    assert bus.get_stats()["total_processed"] == 2


def test_a_handler_may_emit_and_stop_its_own_bus() -> None:
    bus = LocalEventBus(workers=1)
    heard: list[str] = []

    def follow(event: Event) -> None:
        heard.append(event.type)
        bus.emit("recording_processed", {}, "test")

    def end(event: Event) -> None:
        heard.append(event.type)
        bus.stop()

    bus.on("recording_stopped", follow)
    bus.on("recording_processed", end)
    bus.start()
    bus.emit("recording_stopped")
    eventually(lambda: heard == ["recording_stopped", "recording_processed"])
    bus.stop()


def test_off_drops_what_waits_for_that_handler_and_gives_its_places_back() -> None:
    bus = LocalEventBus(buffer_size=2)
    heard: list[int] = []
    bus.on("ice_candidate_added", lambda event: heard.append(event.payload["n"]))
    bus.emit("ice_candidate_added", {"n": 1})
    bus.emit("ice_candidate_added", {"n": 2})
    assert bus.off("ice_candidate_added") == 1
    bus.on("ice_candidate_added", lambda event: heard.append(event.payload["n"]))
    bus.emit("ice_candidate_added", {"n": 3})
    bus.emit("ice_candidate_added", {"n": 4})
    bus.stop()
    assert heard == [3, 4]
    assert bus.get_stats()["total_processed"] == 4


@pytest.mark.parametrize("wrong", [{"buffer_size": 0}, {"workers": 0}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        LocalEventBus(**wrong)
