"""The classes of events: names, channels, other spellings, and what becomes of payloads that do not fit."""

import pytest

from meetingtasks.events import CHANNELS, FACTS, Event, channel_of
from meetingtasks.events.facts import ALIASES
from meetingtasks.events.facts.meeting import MeetingUserJoined


@pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.type)
def test_every_fact_has_a_channel_and_fields_that_are_explained(fact: type) -> None:
    assert fact.channel in CHANNELS  # type: ignore[attr-defined] # they are all facts
    assert all(field.description for field in fact.model_fields.values())  # type: ignore[attr-defined] # as above


def test_no_spelling_means_two_types() -> None:
    spellings = [alias for fact in FACTS.values() for alias in fact.aliases]
    assert len(spellings) == len(set(spellings)) == len(ALIASES)
    assert not set(spellings) & FACTS.keys()


def test_an_event_knows_its_fact_by_any_spelling() -> None:
    payload = {"user_id": 123, "meeting_id": 456, "of_a_later_version": True}
    assert Event(type="user_joined", payload=payload).fact == MeetingUserJoined(user_id=123, meeting_id=456)
    assert Event(type="user_joined", payload={"user_id": 123}, meeting_id="m").fact == MeetingUserJoined(
        user_id=123, meeting_id="m"
    )


@pytest.mark.parametrize(("event_type", "payload"), [("my_event", {}), ("user_joined", {}), ("user_joined", {"n": 1})])
def test_an_unknown_type_and_a_payload_that_does_not_fit_stay_plain(event_type: str, payload: dict[str, int]) -> None:
    assert Event(type=event_type, payload=payload).fact is None


def test_each_type_has_its_channel_and_unknown_ones_share_one() -> None:
    assert channel_of("user_joined") == channel_of("meeting.user_joined") == "meeting_events"
    assert channel_of("deepfake_detection.completed") == "ai_events"
    assert channel_of("my_event") == "system_events"
