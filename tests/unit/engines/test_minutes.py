"""What minutes promise whatever was said: quotes only, ids that exist, bounds, an honest word about what is missing."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.support.meetings import CHINESE, ENGLISH, MEETING_DATE, Said, segments_of
from workers.engines.minutes import make_minutes, minutes_markdown


@pytest.mark.parametrize("said", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_sentence_is_quoted_from_the_segment_it_names(said: list[Said]) -> None:
    texts = {one["id"]: one["text"] for one in segments_of(said)}
    minutes = make_minutes(segments_of(said))
    for item in (*minutes.decisions, *minutes.action_items):
        assert all(item.text in texts[segment_id] for segment_id in item.segment_ids)
    whole = "\n".join(texts.values())
    assert minutes.key_points
    assert all(point in whole for point in minutes.key_points)


def test_the_summary_keeps_the_order_of_speaking() -> None:
    minutes = make_minutes(segments_of(ENGLISH))
    places = [next(i for i, one in enumerate(ENGLISH) if one.text == point) for point in minutes.key_points]
    assert all(before < after for before, after in pairwise(places))
    assert minutes.summary.count(".") >= 2


def test_participants_are_the_speakers_unless_they_are_given() -> None:
    assert make_minutes(segments_of(ENGLISH)).participants == ("Maria", "Tom", "Priya", "Lena")
    assert make_minutes(segments_of(ENGLISH), participants=["Ada"]).participants == ("Ada",)


def test_the_person_with_most_tasks_is_responsible() -> None:
    minutes = make_minutes(segments_of(ENGLISH), meeting_date=MEETING_DATE)
    owners = [item.owner for item in minutes.action_items if item.owner]
    assert minutes.responsible_person == max(owners, key=owners.count)


def test_silence_gives_minutes_that_say_so() -> None:
    minutes = make_minutes([], language="zh-CN", coverage=1.0)
    assert (minutes.summary, minutes.decisions, minutes.action_items) == ("", (), ())
    assert minutes.language == "zh"
    assert "没有语音" in minutes_markdown(minutes)


def test_the_language_is_that_of_the_words() -> None:
    assert make_minutes(segments_of(CHINESE), language="en").language == "zh"
    assert make_minutes(segments_of(ENGLISH), language="zh-CN").language == "en"


def test_title_and_times_are_those_of_the_meeting() -> None:
    minutes = make_minutes([], meeting_type="weekly_sync", meeting_date="2026-03-04", meeting_time="09:30")
    assert minutes.title == "Weekly sync 2026-03-04"
    assert "2026-03-04 09:30" in minutes_markdown(minutes)


def test_coverage_and_gaps_are_told_to_the_reader() -> None:
    gaps = [{"start_ms": 61_000, "end_ms": 3_725_000, "reason": "the engine failed"}]
    page = minutes_markdown(make_minutes(segments_of(ENGLISH), coverage=0.93, gaps=gaps))
    assert "93%" in page
    assert "0:01:01-1:02:05: the engine failed" in page


def test_instructions_that_only_a_model_can_follow_are_not_passed_over_in_silence() -> None:
    assert "MT_CHAT_URL" in make_minutes(segments_of(ENGLISH), custom_instructions="in verse").note
    assert make_minutes(segments_of(ENGLISH)).note == ""


def test_hostile_text_is_bounded_and_cleaned() -> None:
    hostile = [
        {"id": "a", "text": "please send \x00\x1b[31mthe report " + "x" * 500_000},
        {"id": "b", "text": "we have decided <script>alert(1)</script> to stop\u202e"},
        *({"id": f"n{i}", "text": f"please check item {i}"} for i in range(30_000)),
    ]
    minutes = make_minutes(hostile)
    assert max(len(item.text) for item in minutes.action_items) <= 1_000
    assert len(minutes.action_items) <= 200
    assert "\x1b" not in json.dumps(minutes.to_dict(), ensure_ascii=False)
    page = minutes_markdown(minutes)
    assert "<script>" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    "text", ["a " * 10_000, "will " * 4_000, "we " * 5_000 + "decided", "请" * 10_000, "\n" * 9_000]
)
def test_no_text_makes_the_cues_slow(text: str) -> None:
    make_minutes([{"id": "s", "text": text, "speaker": "Tom"}], participants=["Tom"])


def test_minutes_become_plain_json() -> None:
    values = json.loads(json.dumps(make_minutes(segments_of(ENGLISH), coverage=1.0).to_dict()))
    assert values["decisions"][0]["segment_ids"] == ["s0012"]
    assert values["version"] == 1
    assert values["engine"] == "extractive"


def test_the_page_names_the_segments_and_the_engine() -> None:
    page = minutes_markdown(make_minutes(segments_of(ENGLISH), meeting_date=MEETING_DATE))
    assert "Lena will prepare a demo for the customers next week. (Lena, 2026-03-11) [s0022]" in page
    assert "nothing was worded anew" in page


@pytest.mark.parametrize(
    "text",
    [
        "Should we cancel the order?",
        "We have not decided anything yet.",
        "It might be approved.",
        "Nobody agreed to that.",
        "If the board agrees we can start.",
        "我们还没决定。",
        "是否同意?",
    ],
)
def test_doubts_and_questions_are_no_decisions(text: str) -> None:
    assert make_minutes([{"id": "s", "text": text}]).decisions == ()


@pytest.mark.parametrize(
    "text",
    [
        "It will rain tomorrow.",
        "I would have sent it.",
        "You don't need to call them.",
        "Test results are on the wiki.",
        "The train will stop there.",
        "Do you know the vendor?",
        "不需要再准备材料。",
        "他已经提交了报告。",
    ],
)
def test_forecasts_denials_and_questions_are_no_tasks(text: str) -> None:
    assert make_minutes([{"id": "s", "text": text}]).action_items == ()
