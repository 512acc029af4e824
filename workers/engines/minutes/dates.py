"""Finds until when something is due: an ISO date where the meeting's own date tells it, else the words as said."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NUMBERS: Final = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
_DECEMBER: Final = 12
_MONTH_DAY: Final = (
    rf"(?:{'|'.join(_MONTHS)})\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+20\d\d)?"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{'|'.join(_MONTHS)})(?:\s+20\d\d)?"
)
_ENGLISH: Final = re.compile(
    r"\b(?:(?:by|before|until|till|on|due|no later than)\s+)?(?:the\s+)?("
    r"today|tonight|this (?:morning|afternoon|evening)|tomorrow|end of (?:the |this )?(?:day|week|month)"
    r"|next week|next month|this week|this month"
    rf"|(?:in|within)\s+(?:\d{{1,2}}|{'|'.join(_NUMBERS)})\s+(?:days?|weeks?)"
    rf"|(?:(?:next|this|coming)\s+)?(?:{'|'.join(_DAYS)})|{_MONTH_DAY}|\d{{4}}-\d{{2}}-\d{{2}})\b",
    re.IGNORECASE,
)
_DAYS_ZH: Final = "一二三四五六日"
_DIGITS_ZH: Final = "一二三四五六七八九"
_NUMBER_ZH: Final = rf"(?:\d{{1,2}}|[{_DIGITS_ZH}十]{{1,3}})"
_CHINESE: Final = re.compile(
    r"(今天|今晚|明天|明早|后天|(?:本|这)周末|本?月底|下个?月|(?:本|这|下)?个?(?:周|星期)[一二三四五六日天]|(?:本|这|下)周"
    rf"|{_NUMBER_ZH}月{_NUMBER_ZH}[日号])(?:之?前|以前)?"
)
_AFTER_DAYS: Final = (
    dict.fromkeys(("today", "tonight", "this morning", "this afternoon", "this evening", "今天", "今晚"), 0)
    | dict.fromkeys(("tomorrow", "明天", "明早"), 1)
    | {"后天": 2, "next week": 7, "下周": 7}
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
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _english(said: str, today: date | None) -> date | None:
    if said[0].isdigit() and (found := _parsed(said)):
        return found
    if today is None:
        return None
    if said.startswith(("in ", "within ")):
        return _span(said, today)
    if said.endswith(("of day", "the day", "this day")):
        return today
    if said.endswith("month"):
        return _month_end(today, next_month=said.startswith("next"))
    if said.endswith("week") and said != "next week":
        said = "friday"
    return _named_day(said, today)


def _named_day(said: str, today: date) -> date | None:
    if said in _AFTER_DAYS:
        return today + timedelta(days=_AFTER_DAYS[said])
    for number, name in enumerate(_DAYS):
        if said.endswith(name):
            return _weekday(today, number, next_week=said.startswith("next"))
    day, year = re.search(r"\b\d{1,2}(?!\d)", said), re.search(r"20\d\d", said)
    month = next((number for number, name in enumerate(_MONTHS, 1) if name in said), None)
    if day is None or month is None:
        return None
    return _coming(today, month, int(day[0]), year=int(year[0]) if year else None)


def _span(said: str, today: date) -> date | None:
    _, count, unit = said.split()
    days = _NUMBERS.get(count) or int(count)
    return today + timedelta(days=days * (7 if unit.startswith("week") else 1))


def _chinese(said: str, today: date | None) -> date | None:
    if today is None:
        return None
    if said in _AFTER_DAYS:
        return today + timedelta(days=_AFTER_DAYS[said])
    if "月" in said:
        return _chinese_month(said, today)
    if said.endswith("周末"):
        said = "周日"
    if said.endswith("周"):
        said = "周五"
    return _weekday(today, _DAYS_ZH.index(said[-1].replace("天", "日")), next_week=said.startswith("下"))


def _chinese_month(said: str, today: date) -> date | None:
    if said.endswith("月底") or said.startswith("下"):
        return _month_end(today, next_month=said.startswith("下"))
    month, day = (_number(part) for part in said[:-1].split("月"))
    return _coming(today, month, day)


def _number(text: str) -> int:
    """Read ``3``, ``三``, ``十``, ``十五`` or ``二十一``."""
    if text.isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    return ((_DIGITS_ZH.find(tens) + 1 if tens else 1) * 10 if ten else 0) + (_DIGITS_ZH.find(ones) + 1 if ones else 0)


def _weekday(today: date, number: int, *, next_week: bool) -> date:
    monday = today - timedelta(days=today.weekday())
    found = monday + timedelta(days=number + (7 if next_week else 0))
    return found if found >= today else found + timedelta(days=7)


def _month_end(today: date, *, next_month: bool) -> date:
    year, month = today.year, today.month
    if next_month:
        year, month = (year + 1, 1) if month == _DECEMBER else (year, month + 1)
    return date(year, month, calendar.monthrange(year, month)[1])


def _coming(today: date, month: int, day: int, *, year: int | None = None) -> date | None:
    """Return the next such day; None for a day that does not exist."""
    try:
        found = date(year or today.year, month, day)
        return found if found >= today or year else date(today.year + 1, month, day)
    except ValueError:
        return None
