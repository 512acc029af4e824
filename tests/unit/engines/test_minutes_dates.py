"""Until when something is due."""

from __future__ import annotations

import pytest

from workers.engines.minutes.dates import due_in

WEDNESDAY = "2026-03-04"


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("send it today", "2026-03-04"),
        ("send it by tomorrow", "2026-03-05"),
        ("send it by Friday", "2026-03-06"),
        ("send it before monday", "2026-03-09"),
        ("send it next friday", "2026-03-13"),
        ("send it next week", "2026-03-11"),
        ("send it by the end of the week", "2026-03-06"),
        ("send it by the end of the month", "2026-03-31"),
        ("send it next month", "2026-04-30"),
        ("send it within two weeks", "2026-03-18"),
        ("send it in 10 days", "2026-03-14"),
        ("send it by June 3rd", "2026-06-03"),
        ("send it on the 3rd of June 2027", "2027-06-03"),
        ("send it by January 2", "2027-01-02"),
        ("send it by 2026-05-01", "2026-05-01"),
        ("明天发给我", "2026-03-05"),
        ("周五前提交", "2026-03-06"),
        ("下周五前提交", "2026-03-13"),
        ("下周提交", "2026-03-11"),
        ("本周内完成", "2026-03-06"),
        ("6月3日之前提交", "2026-06-03"),
        ("三月二十五日前提交", "2026-03-25"),
        ("十月十五号交", "2026-10-15"),
        ("月底前完成", "2026-03-31"),
        ("下个月完成", "2026-04-30"),
    ],
)
def test_words_become_a_date_by_the_meetings_own(said: str, due: str) -> None:
    assert due_in(said, WEDNESDAY) == due


@pytest.mark.parametrize(
    ("said", "due"), [("by next Friday", "next Friday"), ("下周五前提交", "下周五前"), ("by 2026-05-01", "2026-05-01")]
)
def test_without_the_meetings_date_the_words_stay(said: str, due: str) -> None:
    assert due_in(said, None) == due
    assert due_in(said, "yesterday-ish") == due


@pytest.mark.parametrize("said", ["send it soon", "may be", "尽快", "", "on february 31"])
def test_what_names_no_day_has_no_date(said: str) -> None:
    found = due_in(said, WEDNESDAY)
    assert found is None or not found[0].isdigit()
