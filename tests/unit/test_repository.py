"""What must hold for the repository as a whole, whoever changes it."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ME = Path(__file__).resolve().relative_to(ROOT)
LONGEST_FILE_LINES = 300
LONGER_FOR_A_REASON = {
    "tests/property/test_broker_scripts.py": "one model of one queue, whose rules share its fields",
    "meetingtasks/payloads/ai.py": "the payload and result models of one service stand together",
    "meetingtasks/payloads/media.py": "the payload and result models of one service stand together",
    "meetingtasks/broker/consuming.py": "one fetch at a time, and all that may end it",
    "meetingtasks/task.py": "one task class: how it is sent, run, and what follows its failures",
    "meetingtasks/dispatcher.py": "the one door: each of its methods is thin",
    "meetingtasks/broker/lease.py": "the keeper and its thread share one lock, and are read together",
    "meetingtasks/broker/scripts.py": "one typed function for each script",
    "tests/integration/core/test_dispatcher.py": "all that the dispatcher promises to producers",
    "tests/integration/faces/test_message_queue.py": "the message queue's settings, handlers and statistics in turn",
    "tests/integration/faces/test_queue_manager.py": "push, pull and their ends in turn",
    "tests/unit/engines/media/test_decode.py": "one table of formats and damages",
    "tests/unit/engines/media/test_probe.py": "one table of formats and damages",
    "tests/unit/engines/test_storage.py": "one table of hostile references",
    "tests/unit/payloads/test_refusals.py": "one table: every field with what it refuses",
}
SLEEPS = "tests/support/eventually.py"  # the one place of the suite that sleeps
SLEEP = re.compile(r"(?<![\w.])(time\.|asyncio\.|trio\.)?sleep\((?!0\))")
SLEEP_ALLOWED = ("# the fault itself", "# the work itself")  # a stalled part; a task that takes its time

MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(work/|root/|opt/(pypi|wheels)|home/(?!app\b))")
REGISTRY_HOSTS = re.compile(
    r"files\.pythonhosted|pypi\.org/(simple|packages)|registry\.(npmjs|yarnpkg)|--(extra-)?index-url"
)
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[\w.!+-]+( ; [^\\]+)? \\")
PIN_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def tracked_files() -> list[Path]:
    """List the repository's files as git knows them, without those deleted in the working tree."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in names.split("\0") if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def text_lines() -> list[tuple[str, str]]:
    """Return every line of every text file with its place, this file's own patterns left out."""
    lines = []
    for path in tracked_files():
        content = (ROOT / path).read_bytes()
        if path == ME or b"\0" in content[:8000]:
            continue
        text = content.decode(errors="replace").splitlines()
        lines += [(f"{path}:{number}", line) for number, line in enumerate(text, 1)]
    return lines


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_nothing_in_the_repository_names_one_machine_or_registry(pattern: re.Pattern[str]) -> None:
    assert [f"{place}: {line.strip()[:120]}" for place, line in text_lines() if pattern.search(line)] == []


def test_pinned_files_hold_names_versions_and_hashes_only() -> None:
    pinned = sorted((ROOT / "requirements").glob("*.txt"))
    assert {path.stem for path in pinned} == {"demo", "test", "docker-tests", "uv"}
    for path in pinned:
        strange = [
            line
            for line in path.read_text().splitlines()
            if not PINNED.fullmatch(line) and not PIN_HASH.fullmatch(line)
        ]
        assert strange == [], path.name


def test_the_test_set_pins_everything_of_the_demo_set_alike() -> None:
    demo, test = (
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("demo.txt", "test.txt")
    )
    assert demo - test == set()


def test_no_other_lock_file_and_no_ci_vendors_file() -> None:
    unwanted = {"uv.lock", "poetry.lock", "Pipfile.lock", ".gitlab-ci.yml", ".travis.yml"}
    assert [path for path in tracked_files() if path.name in unwanted or path.parts[0] == ".github"] == []


def test_a_file_is_short_or_says_here_why_not() -> None:
    long = {
        str(path): lines
        for path in python_files()
        if (lines := len((ROOT / path).read_text().splitlines())) > LONGEST_FILE_LINES
    }
    assert set(long) <= set(LONGER_FOR_A_REASON), f"files above {LONGEST_FILE_LINES} lines: {long}"


def test_every_module_says_what_it_is_for() -> None:
    undocumented = [
        str(path)
        for path in python_files()
        if path.parts[0] != "tests" and not ast.get_docstring(ast.parse((ROOT / path).read_text()))
    ]
    assert undocumented == []


def test_no_test_sleeps() -> None:
    sleeping = [
        f"{place}: {line.strip()}"
        for place, line in text_lines()
        if place.startswith("tests/")
        and not place.startswith(SLEEPS)
        and SLEEP.search(line)
        and not line.rstrip().endswith(SLEEP_ALLOWED)
    ]
    assert sleeping == [], "wait for the thing itself: tests.support.eventually"


def test_the_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^(?:\$ )?(make [\w-]+)", "\n".join(blocks), re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^ +make ([\w-]+)", shown, re.MULTILINE) == " ".join(phony).split()
