"""How much of what people label as decisions and tasks the cues find, and how much of what they find is right.

Eight meetings, four in English (each also without case and punctuation, as recognisers give them) and four in Chinese.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.meetings import CHINESE, ENGLISH, MEETING_DATE, Said, segments_of
from tests.support.more_meetings import BUDGET, HIRING, OFFICE_ZH, TICKETS, TRAINING_ZH, WEBSITE_ZH
from workers.engines.minutes import Minutes, make_minutes

ENGLISH_MEETINGS = {"release": ENGLISH, "budget": BUDGET, "tickets": TICKETS, "hiring": HIRING}
CHINESE_MEETINGS = {"release": CHINESE, "website": WEBSITE_ZH, "office": OFFICE_ZH, "training": TRAINING_ZH}
ALL = [
    *(pytest.param(said, False, id=f"en-{name}") for name, said in ENGLISH_MEETINGS.items()),
    *(pytest.param(said, True, id=f"en-{name}-as-recognised") for name, said in ENGLISH_MEETINGS.items()),
    *(pytest.param(said, False, id=f"zh-{name}") for name, said in CHINESE_MEETINGS.items()),
]


@dataclass(frozen=True)
class Found:
    precision: float
    recall: float


def compared(labelled: set[str], found: set[str]) -> Found:
    right = len(labelled & found)
    return Found(right / max(1, len(found)), right / max(1, len(labelled)))


def minutes_of(said: list[Said], *, as_recognised: bool) -> Minutes:
    people = sorted({one.speaker for one in said})
    return make_minutes(segments_of(said, as_recognised=as_recognised), participants=people, meeting_date=MEETING_DATE)


def labelled(said: list[Said], kind: str) -> set[str]:
    return {f"s{place:04d}" for place, one in enumerate(said, 1) if getattr(one, kind)}


@pytest.mark.parametrize(("said", "as_recognised"), ALL)
def test_decisions_are_found_and_little_else(said: list[Said], as_recognised: bool) -> None:
    minutes = minutes_of(said, as_recognised=as_recognised)
    found = compared(labelled(said, "decision"), {one.segment_ids[0] for one in minutes.decisions})
    print(f"decisions: {found}")  # noqa: T201 - the figures are the point
    assert found.precision >= 0.8
    assert found.recall >= 0.8


@pytest.mark.parametrize(("said", "as_recognised"), ALL)
def test_tasks_are_found_and_little_else(said: list[Said], as_recognised: bool) -> None:
    minutes = minutes_of(said, as_recognised=as_recognised)
    found = compared(labelled(said, "action"), {one.segment_ids[0] for one in minutes.action_items})
    print(f"actions: {found}")  # noqa: T201 - the figures are the point
    assert found.precision >= 0.8
    assert found.recall >= 0.8


@pytest.mark.parametrize(("said", "as_recognised"), ALL)
def test_most_tasks_have_the_right_owner_and_day(said: list[Said], as_recognised: bool) -> None:
    minutes = minutes_of(said, as_recognised=as_recognised)
    items = [(said[int(one.segment_ids[0][1:]) - 1], one) for one in minutes.action_items]
    right = [found for label, found in items if label.action and (found.owner, found.due) == (label.owner, label.due)]
    assert len(right) / sum(one.action for one in said) >= 0.8
