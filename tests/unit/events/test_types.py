"""The envelope of an event."""

import json

import pytest

from meetingtasks.clock import ManualClock
from meetingtasks.events import Event, canonical, new_event


def test_an_envelope_goes_through_json_and_back() -> None:
    event = new_event(
        "user_joined", {"user_id": 123, "meeting_id": 456, "name": "王"}, "meeting_service", trace_id="t1"
    )
    text = event.to_json()
    assert Event.from_json(text) == event
    envelope = json.loads(text)
    assert "王" in text
    assert set(envelope) == {
        *("type", "payload", "source", "timestamp", "message_id", "ts_ms", "v", "meeting_id", "trace_id"),
    }


def test_times_are_those_of_the_clock_in_seconds_and_milliseconds() -> None:
    event = new_event("meeting.ended", clock=ManualClock(1_700_000_000_123))
    assert (event.timestamp, event.ts_ms) == (1_700_000_000.123, 1_700_000_000_123)


def test_an_envelope_of_an_earlier_system_is_read() -> None:
    old = '{"type": "user_joined", "payload": {"user_id": 1}, "timestamp": 1700000000, "source": "x"}'
    event = Event.from_json(old)
    assert (event.ts_ms, event.v, event.payload) == (1_700_000_000_000, 1, {"user_id": 1})


@pytest.mark.parametrize("text", ["[]", "{}", '{"type": 1}', '{"type": "x", "payload": []}', "nonsense"])
def test_what_is_no_envelope_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Event.from_json(text)


def test_an_event_needs_a_type() -> None:
    with pytest.raises(ValueError, match="type"):
        new_event("")


def test_other_spellings_mean_the_same_type() -> None:
    assert canonical("user_joined") == canonical("meeting.user_joined") == "meeting.user_joined"
    assert canonical("deepfake_detection.completed") == "synthesis_detection.completed"
    assert canonical("service_started") == "service_started"
