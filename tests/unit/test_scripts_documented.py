"""Each Lua script says in its header what it takes and gives, and its body keeps to that; each key is explained."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import meetingtasks.broker
import meetingtasks.store
from meetingtasks.broker import keys as broker_keys
from meetingtasks.broker.keys import BLOCK, QueueKeys
from meetingtasks.store import keys as store_keys

FOLDERS = [Path(package.__file__ or "").parent / "lua" for package in (meetingtasks.store, meetingtasks.broker)]
SCRIPTS = [path for folder in FOLDERS for path in sorted(folder.glob("*.lua")) if path.stem != "common"]
USED = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
ENDLESS = 1_000_000
#: the rest of the list, from this number on
REST = re.compile(r"unpack\((KEYS|ARGV), (\d+)|for \w+ = (\d+), #(KEYS|ARGV)")
KIND_OF_KEY = re.compile(r"(Hash|List|Set|Zset|Stream|Pub/Sub channel|String|Counter)\b.*[:;]", re.DOTALL)


def header_of(path: Path) -> str:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#!")]
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(line.removeprefix("--").strip() for line in lines[:end])


def body_of(path: Path) -> str:
    return "\n".join(line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("--"))


def documented(path: Path, name: str) -> int:
    """Return up to which number the header explains ``KEYS`` or ``ARGV``; a list without end counts as endless."""
    found = re.search(rf"^{name}\b(.*?)(?=^(?:KEYS|ARGV|Returns)\b|\Z)", header_of(path), re.MULTILINE | re.DOTALL)
    if found is None:
        return 0
    if re.search(r"…|per message|message ids|per queue", found[1]):
        return ENDLESS
    # a place in the list is a number with a word after it: "1 task record  2 live"
    places = [int(number) for number in re.findall(r"(?:^|  |\n)(\d+)(?= )", found[1].strip())]
    return max([*places, len(BLOCK) if "the queue's block" in found[1] else 0])


def test_there_are_scripts() -> None:
    assert {path.parent.parent.name for path in SCRIPTS} == {"store", "broker"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_a_header_names_the_script_what_it_takes_and_what_it_gives(path: Path) -> None:
    header, body = header_of(path), body_of(path)
    assert header.startswith(f"{path.stem}: ")
    for name in ("KEYS", "ARGV"):
        if name in body:
            assert re.search(rf"^{name}\b", header, re.MULTILINE), f"the header does not tell {name}"
    assert re.search(r"^Returns ", header, re.MULTILINE)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_a_body_uses_no_more_than_its_header_tells(path: Path) -> None:
    used = {"KEYS": 0, "ARGV": 0}
    for name, number in USED.findall(body_of(path)):
        used[name] = max(used[name], int(number))
    for before, start, other_start, after in REST.findall(body_of(path)):
        name = before or after
        used[name] = max(used[name], int(start or other_start))
    for name, number in used.items():
        assert number <= documented(path, name), (
            f"{name}[{number}] is used and {name} is told to {documented(path, name)}"
        )


@pytest.mark.parametrize(
    "path", [*SCRIPTS, *(folder / "common.lua" for folder in FOLDERS)], ids=lambda path: str(path)[-30:]
)
def test_a_script_asks_the_server_for_the_time_and_draws_no_numbers(path: Path) -> None:
    body = body_of(path)
    assert "os.time" not in body
    assert "math.random" not in body


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_no_script_searches_all_keys(path: Path) -> None:
    assert not re.search(r"call\('(KEYS|SCAN|FLUSHALL|FLUSHDB)'", body_of(path))


@pytest.mark.parametrize("module", [store_keys, broker_keys], ids=["store", "broker"])
def test_every_constant_of_the_keys_is_explained(module: ModuleType) -> None:
    lines = inspect.getsource(module).splitlines()
    names = [number for number, line in enumerate(lines) if re.match(r"[A-Z_]+: Final", line)]
    for number in names:
        explained = lines[number - 1].startswith("#: ") or number - 1 in names
        assert explained or lines[number].startswith("PREFIX"), lines[number]


def test_every_function_that_names_a_key_says_its_kind_content_and_lifetime() -> None:
    functions = [member for _, member in inspect.getmembers(store_keys, inspect.isfunction)]
    getters = [member.fget for _, member in inspect.getmembers(QueueKeys, lambda m: isinstance(m, property))]
    properties = [getter for getter in getters if inspect.signature(getter).return_annotation == "str"]
    assert functions
    assert properties
    for function in (*functions, *properties):
        assert KIND_OF_KEY.match(inspect.getdoc(function) or ""), f"{function.__name__} does not say what it names"


@pytest.mark.parametrize("path", sorted(path for folder in FOLDERS for path in folder.glob("*.lua")), ids=str)
def test_a_name_that_a_script_spells_out_is_the_one_in_the_map_of_keys(path: Path) -> None:
    # these names follow from what a task's record holds; all else comes in KEYS
    known = {store_keys.watch(""), store_keys.meeting(""), store_keys.claim(""), store_keys.CALLBACKS}
    known.add(store_keys.event_stream("system_events"))  # where operators are told of dead letters
    known.add(store_keys.task(""))  # of tasks that a session holds
    assert set(re.findall(r"'(m[tq]:[^']*)'", body_of(path))) <= known


def test_the_header_reader_finds_what_is_told() -> None:
    folder = FOLDERS[0]
    assert documented(folder / "finish.lua", "KEYS") == 6
    assert documented(folder / "retry.lua", "ARGV") == 6
    assert documented(folder / "create.lua", "ARGV") == ENDLESS
