"""Strings at the border: identifiers, lines, longer texts, language tags, dates and times.

Every string is refused with lone surrogates or control characters and stored in Unicode's composed form (NFC), so that
two spellings of one name are one name.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from meetingtasks.payloads.json_value import CONTROL, CONTROL_BUT_LAYOUT, SURROGATE

MAX_IDENTIFIER_BYTES: Final = 200

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}(\+[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}){0,4}")
_EMAIL = re.compile(r"[^\s@<>()\",;:]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def refuse(text: str, kind: str = "text") -> PydanticCustomError:
    """Build the error of a validator; ``text`` completes a sentence that begins with the field's name."""
    return PydanticCustomError(kind, text)


def composed(text: str) -> str:
    """Return the text in NFC without touching its layout; refuse what no JSON file can hold."""
    if SURROGATE.search(text):
        raise refuse("must be valid unicode")
    if CONTROL_BUT_LAYOUT.search(text):
        raise refuse("control characters not allowed")
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """Return the text in NFC; refuse every control character, line breaks too."""
    if CONTROL.search(text):
        raise refuse("control characters not allowed")
    return composed(text)


def _identifier(text: str) -> str:
    text = one_line(text)
    if text != text.strip():
        raise refuse("must not begin or end with a space")
    if len(text.encode()) > MAX_IDENTIFIER_BYTES:
        raise refuse(f"must have at most {MAX_IDENTIFIER_BYTES} bytes")
    return text


def _number_as_text(value: Any) -> Any:
    # callers with numeric keys in their database send 123 for "123"; a boolean is not a number
    return str(value) if type(value) is int and 0 <= value < 2**63 else value


def _language(text: str) -> str:
    if text != "auto" and not _LANGUAGE.fullmatch(text):
        raise refuse("must be auto or language tags such as en, zh-CN or zh-CN+en-US")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise refuse("must be an e-mail address such as name@example.org")
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise refuse("must be a SHA-256 of 64 hexadecimal digits")
    return text.lower()


def _calendar_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise refuse("must be a date such as 2026-02-21") from None


def _clock_time(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise refuse("must be a time of day such as 09:30") from None
    return text


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise refuse("must be a time such as 2026-02-21T09:00:00+08:00") from None


def _in_utc(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 2200:  # noqa: PLR2004 - far from where a shift of zone would overflow
        raise refuse("must be between the years 1970 and 2200")
    return moment.astimezone(UTC)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _time_zone(text: str) -> str:
    if text not in _zone_names():
        raise refuse("must be a known time zone such as Asia/Shanghai")
    return text


Identifier = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Field(min_length=1),
    AfterValidator(_identifier),
]
"""A name or key of at most 200 bytes on one line; a whole number is taken as its digits."""

Line = Annotated[str, Field(max_length=500), AfterValidator(one_line)]
"""At most 500 characters without line breaks."""

Text = Annotated[str, AfterValidator(composed)]
"""Text of several lines; its field gives the limit."""

LanguageTag = Annotated[str, Field(max_length=100), AfterValidator(_language)]
"""``auto``, one tag such as ``zh-CN``, or several joined by ``+`` for mixed speech."""

EmailAddress = Annotated[str, Field(max_length=254), AfterValidator(one_line), AfterValidator(_email)]
"""An e-mail address; only its form is looked at."""

Sha256 = Annotated[str, AfterValidator(_sha256)]
"""64 hexadecimal digits, stored in lower case."""

CalendarDate = Annotated[str, AfterValidator(_calendar_date)]
"""A day as ``YYYY-MM-DD``."""

ClockTime = Annotated[str, Field(max_length=20), AfterValidator(_clock_time)]
"""A time of day as ``HH:MM`` or ``HH:MM:SS``."""

TimeZone = Annotated[str, Field(max_length=100), AfterValidator(_time_zone)]
"""A name of the time zone database."""

Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_utc)]
"""A point in time, sent with its offset and kept in UTC; JSON holds it as ISO 8601."""
