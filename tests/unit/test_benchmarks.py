"""The broker's benchmark: it starts from anywhere, and its rows have one shape. What it measures is its own affair."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.support import malformed, messages, report

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    report.exactly("tasks lost", 3, 0, 0),
    report.at_most("s until consuming again", None, 5.04999, 5),
    report.times_stock("tasks/s", 100.0, 499.0, 5),
]


def test_rows_are_printed_as_a_list_of_objects_with_five_members() -> None:
    read = json.loads(report.as_json(ROWS))
    assert [list(row) for row in read] == [["what", "stock", "ours", "goal", "met"]] * 3
    assert [row["met"] for row in read] == [True, False, False]
    assert read[1]["stock"] is None


def test_a_row_is_one_line_of_the_table() -> None:
    lines = [report.as_line(row) for row in ROWS]
    assert not any("\n" in line for line in lines)
    assert lines[0].endswith("yes")
    assert lines[1].endswith("NO")


def test_a_figure_that_is_missing_meets_no_goal() -> None:
    assert not report.at_most("s", 1.0, None, 10).met
    assert not report.exactly("lost", 0, None, 0).met


def test_its_sixty_malformed_messages_differ() -> None:
    assert len(set(malformed.damaged())) == malformed.NUMBER


def test_its_messages_are_celerys() -> None:
    made = messages.message("nap", "name", 0.5, priority=3, key="m", due_at=0)
    assert json.loads(made["body"])[:2] == [["name", 0.5], {}]
    assert made["headers"]["eta"] == "1970-01-01T00:00:00+00:00"
    assert (made["headers"]["mt_key"], made["properties"]["priority"]) == ("m", 3)


@pytest.mark.parametrize("argument", ["--help", "--only"])
def test_the_program_starts_from_anywhere(argument: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "broker.py"), argument]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if argument == "--help" else 2)
    assert "throughput" in done.stdout + done.stderr or "--only" in done.stderr
