"""The page of guards names files and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guards.md").read_text("utf-8")
ROW = re.compile(
    r"^\| (?P<guard>[^|]+) \| `(?P<file>[\w./]+)` \| `(?P<path>tests/[\w./]+\.py)::(?P<test>test_\w+)` \|$",
    re.MULTILINE,
)


def test_every_line_of_the_table_names_a_file_and_a_test_that_exist() -> None:
    rows = list(ROW.finditer(PAGE))
    assert len(rows) == sum(line.startswith("| ") for line in PAGE.splitlines()) - 1
    assert len(rows) > 60
    gone = [row["file"] for row in rows if not (ROOT / row["file"]).is_file()]
    gone += [
        f"{row['path']}::{row['test']}"
        for row in rows
        if not (ROOT / row["path"]).is_file()
        or not re.search(rf"def {row['test']}\(", (ROOT / row["path"]).read_text("utf-8"))
    ]
    assert gone == []
