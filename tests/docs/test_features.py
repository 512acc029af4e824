"""The page of features tells the truth about the tests: each row once, no test invented, nothing built without one."""

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "features.md"
SERIES = {"D1": 47, "D2": 39, "D3": 57, "D4": 61, "D5": 30, "X": 15, "B": 45}
IDS = [f"{series}-{number:02d}" for series, count in SERIES.items() for number in range(1, count + 1)]
STATES = ("built", "partly", "not yet")
ROW = re.compile(r"^\| (?P<id>[A-Z]\d?-\d\d) \| (?P<text>.+?) \| (?P<state>.+?) \| (?P<tests>.*) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w./]+\.py)::(test_\w+)`")


@dataclass(frozen=True)
class Feature:
    """One row of the page."""

    id: str
    text: str
    state: str
    tests: tuple[tuple[str, str], ...]


@functools.cache
def features() -> tuple[Feature, ...]:
    found = []
    for row in ROW.finditer(PAGE.read_text("utf-8")):
        state = row["state"].partition(":")[0]
        found.append(Feature(row["id"], row["text"], state, tuple(TEST.findall(row["tests"]))))
    return tuple(found)


@functools.cache
def functions_in(path: str) -> frozenset[str]:
    """Return the test functions that a file defines, without those that are expected to fail or never run."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not any(re.search(r"mark\.(xfail|skip)\b", ast.unparse(mark)) for mark in node.decorator_list)
    )


def ids_in(name: str) -> list[str]:
    """Return the ids that a test's name carries: ``test_d1_08_d1_40_after`` carries D1-08 and D1-40."""
    ids, rest = [], name.removeprefix("test")
    while found := re.match(r"_(d[1-5]|x|b)_(\d\d)(?=_)", rest):
        ids.append(f"{found[1].upper()}-{found[2]}")
        rest = rest[found.end() :]
    return ids


def test_every_id_has_its_row_once_and_in_order() -> None:
    assert [feature.id for feature in features()] == IDS


def test_every_line_of_a_table_is_read() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| [A-Z]\d?-", line)]
    assert len(lines) == len(IDS)


def test_every_state_is_one_of_three() -> None:
    assert {feature.id: feature.state for feature in features() if feature.state not in STATES} == {}


def test_what_is_partly_there_says_what_is_missing() -> None:
    partly = re.findall(r"\| (\S+) \| [^|]+ \| partly(?!: )", PAGE.read_text("utf-8"))
    assert partly == []


def test_every_named_test_exists() -> None:
    gone = [
        f"{feature.id}: {path}::{name}"
        for feature in features()
        for path, name in feature.tests
        if name not in functions_in(path)
    ]
    assert gone == []


def test_what_is_there_names_a_test_and_what_is_not_names_none() -> None:
    wrong = [feature.id for feature in features() if bool(feature.tests) == (feature.state == "not yet")]
    assert wrong == []


def test_no_test_carries_the_id_of_a_feature_that_is_not_there_yet() -> None:
    missing = {feature.id for feature in features() if feature.state == "not yet"}
    carried = [
        f"{path.relative_to(ROOT)}::{name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in sorted(functions_in(str(path.relative_to(ROOT))))
        if missing & set(ids_in(name))
    ]
    assert carried == []


def test_the_sums_at_the_top_are_right() -> None:
    said = re.search(r"^(\d+) of (\d+) rows are built, (\d+) partly\.$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert said is not None
    states = [feature.state for feature in features()]
    assert [int(number) for number in said.groups()] == [states.count("built"), len(IDS), states.count("partly")]


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_d1_08_d1_40_after_the_last", ["D1-08", "D1-40"]),
        ("test_x_11_stages", ["X-11"]),
        ("test_d2_05_b_10_times", ["D2-05", "B-10"]),
        ("test_a_row_x_11_is_not_meant", []),
    ],
)
def test_ids_are_read_from_the_names_of_tests(name: str, ids: list[str]) -> None:
    assert ids_in(name) == ids
