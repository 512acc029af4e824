"""Each script says what it takes and gives, and the typed function and the body agree with it."""

import inspect
import re
from importlib import resources

import pytest

from meetingtasks.broker import keys, scripts

LUA = resources.files("meetingtasks.broker") / "lua"


def parts(name: str) -> tuple[str, str]:
    lines = (LUA / f"{name}.lua").read_text("utf-8").removeprefix("#!lua flags=allow-oom\n").splitlines()
    end = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def section(header: str, name: str) -> str:
    found = re.search(rf"^-- {name} +(.*?)(?=^-- (?:KEYS|ARGV|Returns)|\Z)", header, re.DOTALL | re.MULTILINE)
    assert found, f"no {name}"
    return found[1]


def numbers(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"(?<![\w.…])(\d+)…? (?=[a-z'])", text)}


def test_every_file_is_a_script_with_a_function() -> None:
    files = {path.name.removesuffix(".lua") for path in LUA.iterdir()} - {"common"}
    assert files == set(scripts.NAMES)
    assert all(inspect.getdoc(getattr(scripts, name)) for name in scripts.NAMES)


@pytest.mark.parametrize("name", scripts.NAMES)
def test_a_header_says_what_the_script_is_for_takes_and_gives(name: str) -> None:
    header, _ = parts(name)
    assert header.startswith(f"-- {name}: ")
    assert [line.split()[1] for line in header.splitlines() if re.match(r"-- (KEYS|ARGV|Returns)\b", line)] == [
        "KEYS",
        "ARGV",
        "Returns",
    ]


@pytest.mark.parametrize("name", scripts.NAMES)
def test_the_body_reads_the_arguments_that_the_header_names(name: str) -> None:
    header, body = parts(name)
    read = {int(number) for number in re.findall(r"ARGV\[(\d+)\]", body)}
    read |= {int(first) for first in re.findall(r"for i = (\d+), #ARGV", body)}
    if "for i = 1, #ARGV" in body or "ipairs(ARGV)" in body:
        assert "per message" in section(header, "ARGV") or "ids" in section(header, "ARGV")
    else:
        assert read == numbers(section(header, "ARGV"))


@pytest.mark.parametrize("name", [name for name in scripts.NAMES if name not in ("fetch", "collect")])
def test_the_body_reads_the_keys_that_the_header_names(name: str) -> None:
    header, body = parts(name)
    assert "the queue's block" in section(header, "KEYS")
    assert {int(number) for number in re.findall(r"KEYS\[(\d+)\]", body)} == numbers(section(header, "KEYS"))


def test_the_block_of_keys_is_the_same_in_lua_and_python() -> None:
    common = (LUA / "common.lua").read_text("utf-8")
    named = re.findall(r"(\w+) = KEYS\[offset \+ (\d+)\]", common)
    assert [name for name, _ in sorted(named, key=lambda pair: int(pair[1]))] == list(keys.BLOCK)
    assert len(keys.QueueKeys("q").block) == len(keys.BLOCK)
    assert f"#KEYS - {len(keys.BLOCK)}, {len(keys.BLOCK)} do" in (LUA / "fetch.lua").read_text("utf-8")


def test_ten_priorities_count_exactly() -> None:
    common = (LUA / "common.lua").read_text("utf-8")
    band = int(re.search(r"BAND = (\d+)", common)[1])  # type: ignore[index] # it is there
    assert band == 2**49
    assert 10 * band < 2**53


def test_every_key_says_its_type_content_and_lifetime() -> None:
    for owner in (keys.QueueKeys, keys.QuarantineKeys):
        for name, value in vars(owner).items():
            if isinstance(value, property) and name not in ("block", "stock_lists"):
                doc = inspect.getdoc(value.fget) or ""
                assert re.match(r"(List|Zset|Hash|String): .+; .+\.$", doc, re.DOTALL), f"{name}: {doc}"


def test_keys_of_a_queue_share_a_cluster_slot_and_the_prefix() -> None:
    block = keys.QueueKeys("ai_tasks", "app1:").block
    assert block[0] == "app1:ai_tasks"
    assert all(key.startswith("app1:mq:{ai_tasks}:") for key in block[1:])
