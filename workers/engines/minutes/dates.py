"""Finds until when something is due, as an ISO date where the meeting's own date allows it, else as it was said."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_ENGLISH = re.compile(
    r"\b(?:(?:by|before|until|till|on|due|no later than)\s+)?(?:the\s+)?("
    r"today|tonight|tomorrow|end of (?:the )?(?:day|week|month)|next week|next month|this week|"
    rf"(?:(?:next|this)\s+)?(?:{'|'.join(_DAYS)})|"
    rf"(?:{'|'.join(_MONTHS)})\s+\d{{1,2}}(?:st|nd|rd|th)?|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{'|'.join(_MONTHS)})|"
    r"\d{4}-\d{2}-\d{2})\b",
    re.IGNORECASE,
)
_CHINESE_DAYS = "一二三四五六日"
_CHINESE = re.compile(
    r"(今天|明天|后天|本周末|月底|本月底|下个?月|(?:本|这|下)?(?:个)?(?:周|星期)[一二三四五六日天]|下周|\d{1,2}月\d{1,2}[日号])(?:之?前|以前)?"
)


def due_in(text: str, meeting_date: str | None) -> str | None:
    """Return until when: ``2026-03-06`` where the meeting's date tells, else the words themselves, else None."""
    today = _parsed(meeting_date)
    if match := _ENGLISH.search(text):
        return _shown(_english(match[1].lower(), today), match[1])
    if match := _CHINESE.search(text):
        return _shown(_chinese(match[1], today), match[0])
    return None


def _shown(found: date | None, said: str) -> str:
    return said if found is None else found.isoformat()


def _parsed(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _english(said: str, today: date | None) -> date | None:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", said):
        return _parsed(said)
    if today is None:
        return None
    plain = {"today": 0, "tonight": 0, "end of day": 0, "end of the day": 0, "tomorrow": 1, "next week": 7}
    if said in plain:
        return today + timedelta(days=plain[said])
    if said in ("this week", "end of week", "end of the week"):
        return _weekday(today, 4, next_week=False)
    if "month" in said:
        return _month_end(today, next_month=said.startswith("next"))
    for number, name in enumerate(_DAYS):
        if said.endswith(name):
            return _weekday(today, number, next_week=said.startswith("next"))
    return _day_of_month(said, today)


def _day_of_month(said: str, today: date) -> date | None:
    day = re.search(r"\d{1,2}", said)
    month = next((number for number, name in enumerate(_MONTHS, 1) if name in said), None)
    return None if day is None or month is None else _coming(today, month, int(day[0]))


def _chinese(said: str, today: date | None) -> date | None:
    if today is None:
        return None
    plain = {"今天": 0, "明天": 1, "后天": 2, "下周": 7}
    if said in plain:
        return today + timedelta(days=plain[said])
    if said in ("月底", "本月底"):
        return _month_end(today, next_month=False)
    if said in ("下月", "下个月"):
        return _month_end(today, next_month=True)
    if said == "本周末":
        return _weekday(today, 6, next_week=False)
    if "月" in said:
        month, day = (int(number) for number in re.findall(r"\d+", said))
        return _coming(today, month, day)
    return _weekday(today, _CHINESE_DAYS.index(said[-1].replace("天", "日")), next_week=said.startswith("下"))


def _weekday(today: date, number: int, *, next_week: bool) -> date:
    monday = today - timedelta(days=today.weekday())
    found = monday + timedelta(days=number + (7 if next_week else 0))
    return found if found >= today else found + timedelta(days=7)


def _month_end(today: date, *, next_month: bool) -> date:
    year, month = today.year, today.month
    if next_month:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004 - December
    return date(year, month, calendar.monthrange(year, month)[1])


def _coming(today: date, month: int, day: int) -> date | None:
    try:
        found = date(today.year, month, day)
        return found if found >= today else date(today.year + 1, month, day)
    except ValueError:
        return None
