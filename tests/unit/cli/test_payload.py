"""A payload on the command line: where it may come from, and how a wrong one is refused."""

import io
from pathlib import Path
from typing import Any

import click
import pytest

from meetingtasks.cli.payload import LARGEST_BYTES, PayloadParam


def read(value: str) -> dict[str, Any]:
    return PayloadParam().convert(value, None, None)


def test_a_payload_is_read_from_the_argument_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read('{"text": "你好"}') == {"text": "你好"}
    file = tmp_path / "payload.json"
    file.write_text('{"a": [1, 2.5, null]}', encoding="utf-8")
    assert read(f"@{file}") == {"a": [1, 2.5, None]}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"b": true}')))
    assert read("-") == {"b": True}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "the payload is not JSON: Expecting value at line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"a" 1}', "line 1, column 6"),
        ('{"a": 1}\n{}', "line 2, column 1"),
        ("null", "must be a JSON object"),
        ("[]", "not list"),
        ('"x"', "not str"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('{"a": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ('{"a": ' + "[" * 100_000 + "}", "the payload"),
        ("\udcff", "the payload is not UTF-8 (byte 0)"),
        ("@/no/such/file", "cannot read /no/such/file: No such file or directory"),
        ("@.", "cannot read .: Is a directory"),
        ("@a\0b", "cannot read"),
    ],
)
def test_a_wrong_payload_is_refused_with_its_place(value: str, told: str) -> None:
    with pytest.raises(click.BadParameter) as raised:
        read(value)
    assert told in raised.value.message


def test_a_payload_above_the_limit_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b" " * (LARGEST_BYTES + 1))
    with pytest.raises(click.BadParameter, match="larger than 1024 KiB"):
        read(f"@{file}")
