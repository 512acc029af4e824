"""How the platform logs: one line per record, a constant sentence with fields, as readable text or as JSON.

A line says what happened in words that never change, and the particulars beside them: task id, meeting id and trace id
wherever they are known. What a task was given and what it returned is never logged, and secrets are masked.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from meetingtasks.clock import to_datetime
from meetingtasks.settings import Settings, current

LONGEST_VALUE = 2_000  # characters of one field; a log is no place for documents
_MASK: Final = "***"
_URL_PASSWORD = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/?#:@]*):[^\s/?#]*@", re.IGNORECASE)
_NAMED_SECRET = re.compile(r"(?P<name>\b(?:password|passwd|secret|token|api_?key)=)[^\s&;,'\"]+", re.IGNORECASE)
_BEARER = re.compile(r"(?P<name>\bBearer\s+)[^\s,'\"]+", re.IGNORECASE)
_SECRET_NAMES = re.compile(r"password|passwd|secret|token|authorization|api_?key|cookie", re.IGNORECASE)
#: what a task was given or gave back
_CONTENT: Final = frozenset({"args", "kwargs", "payload", "result", "retval", "return_value", "body", "data"})
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

_about: contextvars.ContextVar[Mapping[str, Any] | None] = contextvars.ContextVar("log_fields", default=None)


def configure(settings: Settings, stream: IO[str] | None = None) -> None:
    """Log everything of this process to ``stream`` (default: standard error) by ``log_level`` and ``log_format``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    logging.captureWarnings(True)  # noqa: FBT003 - the standard library's own signature
    logging.raiseExceptions = False  # a reader who has gone away must not cost a traceback per line


def for_celery(**_: object) -> None:
    """Answer Celery's signal ``setup_logging``: a worker logs as this process's settings say."""
    configure(current())


@contextlib.contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put ``fields`` (None: left out) on every line that is logged inside, by whatever module."""
    token = _about.set({**(_about.get() or {}), **{name: value for name, value in fields.items() if value is not None}})
    try:
        yield
    finally:
        _about.reset(token)


def mask(text: str) -> str:
    """Return ``text`` with passwords of URLs, named secrets and bearer tokens replaced by ``***``."""
    text = _URL_PASSWORD.sub(rf"\g<scheme>\g<user>:{_MASK}@", text)
    return _BEARER.sub(rf"\g<name>{_MASK}", _NAMED_SECRET.sub(rf"\g<name>{_MASK}", text))


class TextLines(logging.Formatter):
    """``2026-01-31T09:00:00.123Z INFO logger sentence key=value``; a traceback follows on indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        sentence, fields = _read(record)
        words = [_moment(record), f"{record.levelname:<7}", record.name, _one_line(sentence)]
        words += [f"{name}={_quoted(value)}" for name, value in fields.items()]
        line = " ".join(words)
        trace = _trace(record, self)
        return line if trace is None else line + "".join(f"\n    | {part}" for part in trace.splitlines())


class JsonLines(logging.Formatter):
    """One JSON object per line: ts, level, logger, message, the fields, and ``traceback`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        sentence, fields = _read(record)
        entry = {"ts": _moment(record), "level": record.levelname, "logger": record.name, "message": sentence}
        entry |= {name if name not in entry else f"field_{name}": value for name, value in fields.items()}
        trace = _trace(record, self)
        if trace is not None:
            entry["traceback"] = trace
        return json.dumps(entry, ensure_ascii=False, default=str)


def _read(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    data = vars(record).get("data")
    if record.name.startswith("celery.") and isinstance(data, Mapping):
        sentence, fields = _of_celery(str(record.msg), data)
    else:
        sentence, fields = mask(record.getMessage())[:LONGEST_VALUE], {}
    fields |= _about.get() or {}
    fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    cleaned = {name: _clean(name, value) for name, value in fields.items() if name not in _CONTENT}
    return sentence, {name: value for name, value in cleaned.items() if value is not None}


#: by a word of Celery's own format strings or by its description; their text would carry arguments and results
_CELERY: Final = {
    "received": "the task was received",
    "succeeded": "the task's function returned",
    "retry": "the task is to be retried",
    "raised": "the task's function raised",
    "ignored": "the attempt ended without a result",
    "rejected": "the message was rejected",
    "INTERNAL": "the worker itself failed around the task",
}


def _of_celery(template: str, data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    words = str(data.get("description") or template)
    sentence = next((text for word, text in _CELERY.items() if word in words), "the message was rejected")
    fields = {"task": data.get("name"), "task_id": data.get("id")}
    if "runtime" in data:
        fields["run_s"] = round(float(data["runtime"]), 3)
    if "exc" in data:
        fields["why"] = str(data["exc"])[:500]
    return sentence, fields


def _clean(name: str, value: Any, depth: int = 0) -> Any:
    if _SECRET_NAMES.search(name) and value is not None:
        return _MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < 3:  # noqa: PLR2004 - deeper ones are shown as text
        return {str(key): _clean(str(key), item, depth + 1) for key, item in value.items() if key not in _CONTENT}
    if isinstance(value, list | tuple) and depth < 3:  # noqa: PLR2004
        return [_clean("", item, depth + 1) for item in value]
    return mask(str(value))[:LONGEST_VALUE]


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = bool(text) and not isinstance(value, dict | list) and all(c.isprintable() and c not in ' ="' for c in text)
    return text if plain else _one_line(json.dumps(text, ensure_ascii=False))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _moment(record: logging.LogRecord) -> str:
    return to_datetime(round(record.created * 1000)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord, formatter: logging.Formatter) -> str | None:
    if record.exc_info and record.exc_info[0] is not None:
        return mask(formatter.formatException(record.exc_info))
    return None
