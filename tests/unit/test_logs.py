"""Log lines: a constant sentence with fields, one line per record, without content and without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from meetingtasks import logs
from meetingtasks.settings import Settings


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    yield
    root.handlers[:], logging.raiseExceptions = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(False)  # noqa: FBT003 - the standard library's own signature


def logged(log_format: str, *records: tuple[Any, ...], level: str = "INFO", **extra: Any) -> str:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format, log_level=level), stream)
    for sentence, *arguments in records:
        logging.getLogger("meetingtasks.test").warning(sentence, *arguments, extra=extra)
    return stream.getvalue()


def test_a_text_line_is_a_sentence_with_quoted_fields() -> None:
    line = logged("text", ("the part is kept",), task_id="a-1", message_ms=5, step="第1段 of 3", flag=True, none=None)
    assert line.endswith(
        'WARNING meetingtasks.test the part is kept task_id=a-1 message_ms=5 step="第1段 of 3" flag=true\n'
    )
    assert line.split(" ")[0].endswith("Z")


def test_a_json_line_is_one_object_with_the_fields() -> None:
    entry = json.loads(logged("json", ("the part is kept",), task_id="a-1", sizes=[1, 2], level="INFO", ts="mine"))
    assert {**entry, "ts": ""} == {
        "ts": "",
        "level": "WARNING",
        "logger": "meetingtasks.test",
        "message": "the part is kept",
        "task_id": "a-1",
        "sizes": [1, 2],
        "field_ts": "mine",
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_cannot_be_forged_by_a_value(log_format: str) -> None:
    text = logged(log_format, ("%s", "first\n2026 ERROR forged"), name_of="x\ny\x1b[31m")
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_exception_is_told_with_its_traceback(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format), stream)
    try:
        json.loads("broken\nERROR forged")
    except json.JSONDecodeError:
        logging.getLogger("meetingtasks.test").exception("the part failed")
    first, *rest = stream.getvalue().splitlines()
    assert "the part failed" in first
    assert "JSONDecodeError: Expecting value" in stream.getvalue()
    assert all(line.startswith("    | ") for line in rest)


def test_fields_that_are_bound_stand_on_every_line_inside_only() -> None:
    stream = io.StringIO()
    logs.configure(Settings(), stream)
    with logs.bound(task_id="a-1", meeting_id=456, trace_id=None):
        with logs.bound(trace_id="t-1"):
            logging.getLogger("engine").warning("inside")
        logging.getLogger("engine").warning("between")
    logging.getLogger("engine").warning("outside")
    inside, between, outside = stream.getvalue().splitlines()
    assert inside.endswith("inside task_id=a-1 meeting_id=456 trace_id=t-1")
    assert between.endswith("between task_id=a-1 meeting_id=456")
    assert outside.endswith("outside")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_celerys_lines_carry_neither_arguments_nor_results(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(Settings(log_format=log_format), stream)
    data = {
        "id": "a-1",
        "name": "meetingtasks.ai.x",
        "args": "(CANARY,)",
        "kwargs": "CANARY",
        "return_value": "CANARY",
        "runtime": 1.23456,
    }
    log = logging.getLogger("celery.app.trace")
    log.info("Task %(name)s[%(id)s] received", data, extra={"data": data})
    log.info("Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s", data, extra={"data": data})
    data |= {"description": "raised unexpected", "exc": "NetworkError('cut off')"}
    log.error("Task %(name)s[%(id)s] %(description)s: %(exc)s", data, extra={"data": data})
    assert "CANARY" not in stream.getvalue()
    lines = stream.getvalue().splitlines()
    expected = ("the task was received", "the task's function returned", "the task's function raised")
    assert all(sentence in line and "a-1" in line for sentence, line in zip(expected, lines, strict=True))
    assert "1.235" in lines[1]
    assert "cut off" in lines[2]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_and_contents_are_not_logged(log_format: str) -> None:
    text = logged(
        log_format,
        ("connected to %s", "redis://user:CANARY@host:6379/0"),
        url="rediss://:CANARY@host/0?password=CANARY",
        api_key="CANARY",
        payload={"audio_data": "CANARY"},
        about={"token": "CANARY", "result": "CANARY", "list": ["Bearer CANARY"]},
    )
    assert "CANARY" not in text
    assert "redis://user:***@host:6379/0" in text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("redis://:s3cret@h:1/0", "redis://:***@h:1/0"),
        ("amqp://guest:gu:est@h", "amqp://guest:***@h"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("unix:///a/b.sock?db=0", "unix:///a/b.sock?db=0"),
        ("https://h/x?token=abc&y=1", "https://h/x?token=***&y=1"),
        ("mail to a@b.c: fine", "mail to a@b.c: fine"),
    ],
)
def test_masking_hides_the_secret_and_nothing_else(given: str, shown: str) -> None:
    assert logs.mask(given) == shown


def test_levels_below_the_setting_are_left_out() -> None:
    assert logged("text", ("quiet",), level="ERROR") == ""
