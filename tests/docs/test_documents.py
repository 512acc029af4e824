"""The documents tell the truth: code blocks compile, commands, files, settings and links exist."""

import ast
import functools
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

import click
import pytest

from meetingtasks.cli.main import commands
from meetingtasks.settings import Settings
from meetingtasks.task_types import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:meetingtasks|workers|tests|docs|examples|benchmarks|samples|requirements)/[\w./-]*)`")
VARIABLE = re.compile(r"\bMT_[A-Z][A-Z_]*[A-Z]\b")
#: made by what the documents tell to run
MADE_LATER = ("var/",)

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@functools.cache
def text_of(document: Path) -> str:
    return document.read_text("utf-8")


def blocks(document: Path, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(text_of(document)) if language in languages]


def shell_lines(document: Path) -> list[str]:
    """Return the commands of a document: its shell blocks, and what stands in backticks."""
    lines = [line.removeprefix("$ ") for body in blocks(document, "sh", "console") for line in body.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", BLOCK.sub("", text_of(document)))


@documents
def test_python_compiles_and_imports_what_exists(document: Path) -> None:
    for body in blocks(document, "python"):
        tree = ast.parse(body)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == [], body
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)


@documents
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {found for line in shell_lines(document) for found in re.findall(r"^(?:\$ )?make ([a-z-]+)", line)}
    assert asked - targets == set()


@documents
def test_commands_and_their_options_exist(document: Path) -> None:
    wrong = []
    for line in shell_lines(document):
        for name, rest in re.findall(r"(?:^|/|\$\()meetingtasks ([a-z]+)\b([^|;&]*)", line):
            command = commands.get_command(click.Context(commands), name)
            if command is None:
                wrong.append(line)
                continue
            known = {option for parameter in _all_parameters(command) for option in parameter.opts} | {"--help", "-h"}
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)
            wrong += [
                f"{line}: {option}" for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", bare) if option not in known
            ]
    assert wrong == []


def _all_parameters(command: click.Command) -> list[click.Parameter]:
    parameters = list(command.params)
    if isinstance(command, click.Group):
        parameters += [p for sub in command.commands.values() for p in _all_parameters(sub)]
    return parameters


@documents
def test_celery_apps_and_programs_exist(document: Path) -> None:
    for line in shell_lines(document):
        for module in re.findall(r"celery -A (workers[\w.]*)", line):
            assert importlib.import_module(module).app
        for module in re.findall(r"python -m ((?:workers|examples|meetingtasks)[\w.]*)", line):
            assert importlib.util.find_spec(module), line
        for program in re.findall(r"python ([\w/]+\.py)", line):
            assert (ROOT / program).is_file(), line


@documents
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for target in LINK.findall(BLOCK.sub("", text_of(document))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (document.parent / place).resolve() if place else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            dead.append(target)
    assert dead == []


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text_of(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@documents
def test_files_that_are_named_exist(document: Path) -> None:
    gone = [path for path in PATH.findall(text_of(document)) if not (ROOT / path).exists()]
    assert [path for path in gone if not path.startswith(MADE_LATER)] == []


@documents
def test_settings_that_are_named_exist(document: Path) -> None:
    known = {f"MT_{name.upper()}" for name in Settings.model_fields} | {"MT_CONFIG"}
    assert set(VARIABLE.findall(text_of(document))) - known == set()


def test_every_setting_is_documented() -> None:
    page = text_of(ROOT / "docs" / "reference" / "settings.md")
    assert [name for name in Settings.model_fields if f"| `{name}` | `MT_{name.upper()}` |" not in page] == []


def test_every_task_type_is_documented() -> None:
    page = text_of(ROOT / "docs" / "reference" / "task-types.md")
    pipeline = {"a part of process_recording"}
    assert [t.name for t in CATALOGUE if t.summary not in pipeline and f"| `{t.name}` |" not in page] == []


def test_the_architecture_names_every_module_and_the_layers_of_the_contract() -> None:
    page = text_of(ROOT / "ARCHITECTURE.md")
    modules = {path.name for path in (ROOT / "meetingtasks").iterdir() if _is_module(path)}
    layout = page[page.index("\nmeetingtasks/  ") : page.index("\nworkers/  ")]
    assert set(re.findall(r"^  ([a-z_]+(?:\.py|(?=/)))", layout, re.MULTILINE)) == modules
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [
        [part.strip().strip("()") for part in layer.split(":")]
        for contract in contracts
        if contract["name"] == "The platform's layers"
        for layer in contract["layers"]
    ]
    told = next(body for body in blocks(ROOT / "ARCHITECTURE.md", "") if body.startswith(("api", "cli")))
    present = {path.stem for path in (ROOT / "meetingtasks").iterdir()}
    there = [[part for part in layer if part in present] for layer in layers]
    assert [line.split(" · ") for line in told.splitlines()] == [layer for layer in there if layer]


def _is_module(path: Path) -> bool:
    return (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()


def test_every_guarantee_names_a_test_that_exists() -> None:
    page = text_of(ROOT / "docs" / "guarantees.md")
    named = re.findall(r"`(tests/[\w./]+\.py)::(test_\w+)`", page)
    assert len(named) > 20
    gone = [f"{path}::{name}" for path, name in named if f"def {name}(" not in text_of(ROOT / path)]
    assert gone == []
    failing = re.compile(r"@pytest\.mark\.(?:xfail|skip)\b[^\n]*\n(?:@[^\n]*\n)*def (test_\w+)")
    assert {name for path, name in named if name in failing.findall(text_of(ROOT / path))} == set()
