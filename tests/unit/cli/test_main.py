"""The command line as a whole: what is listed, what is loaded, and what an error looks like."""

import json
import subprocess
import sys

import click
import pytest

from meetingtasks.cli import exit_codes
from meetingtasks.cli.main import COMMANDS, commands, run
from meetingtasks.errors import BrokerUnavailable, MeetingTasksError, ResultNotReady, SettingsError, WaitTimeout


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(commands)
    found: list[tuple[str, click.Command]] = []
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {below}", inner) for below, inner in command.commands.items()]
    return found


def test_the_list_shows_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in ["demo", *COMMANDS])
    assert all(f"  {code} " in text for code in exit_codes.MEANINGS)


def test_listing_the_commands_loads_none_of_the_heavy_parts() -> None:
    code = (
        "import sys; from meetingtasks.cli.main import run; run(['--help']);"
        "print(sorted({'celery', 'kombu', 'redis', 'pydantic', 'rich', 'numpy', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_the_list_says_of_a_command_is_what_its_own_help_says_first() -> None:
    context = click.Context(commands)
    for name, place in COMMANDS.items():
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert place.summary.endswith(".")


@pytest.mark.parametrize(("name", "command"), every_command(), ids=[name for name, _ in every_command()])
def test_every_command_has_help_with_examples_and_json(
    name: str, command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"meetingtasks {name}" in text
    only_a_group = isinstance(command, click.Group) and not command.invoke_without_command
    # a worker prints its log, which MT_LOG_FORMAT=json turns into JSON lines
    assert any("--json" in option.opts for option in command.params) == (name != "worker" and not only_a_group)


def test_no_command_is_a_usage_error_that_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "submit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sumbit"], "No such command 'sumbit'"),
        (["status", "--limit", "0"], "0 is not in the range 1<=x<=500"),
        (["submit"], "Missing argument 'TYPE'"),
        (["submit", "x", "--priority", "urgent"], "'critical', 'high', 'normal', 'low'"),
        (["submit", "x", "--timeout", "-1"], "0<x<=86400"),
        (["submit", "x", "--timeout", "nan"], "nan is not a finite number"),
        (["submit", "x", "--wait", "inf"], "inf is not a finite number"),
        (["watch", "x", "--timeout", "0"], "x>0"),
        (["submit", "x", "--max-retries", "1.5"], "1.5"),
        (["rerun", "x"], "--from"),
        (["rerun", "x", "--from", "lunch"], "'transcribe'"),
        (["routes", "add", "a b", "--queue", "q", "--type", "t"], "is no name"),
        (["worker", "nothing"], "there is no service 'nothing'; use one of ai,"),
        (["worker", "ai", "--concurrency", "0"], "1<=x<=1024"),
        (["worker", "ai", "--concurrency", "-1"], "1<=x<=1024"),
        (["worker", "ai", "--concurrency", "abc"], "'abc' is not a valid integer range"),
        (["worker", "ai", "--concurrency", "1000000"], "1<=x<=1024"),
        (["worker", "ai", "--pool", "gevent"], "'prefork', 'threads', 'solo'"),
        (["up", "--services", "ai,nothing"], "there is no service 'nothing'"),
        (["up", "--port", "99999"], "1<=x<=65535"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_allowed(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == exit_codes.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), 2),
        (SettingsError("broker_url: start it with redis://"), 3),
        (BrokerUnavailable("x"), 3),
        (ResultNotReady("x"), 4),
        (WaitTimeout("x"), 4),
        (MeetingTasksError("x"), 1),
        (OSError(28, "No space left on device", "/x"), 1),
        (ZeroDivisionError("x"), 1),
        (click.UsageError("x"), 2),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_codes.code_of(exit_codes.translated(error)) == code


def test_an_error_in_json_is_one_document_with_the_secret_masked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json", "--broker-url", "http://:CANARY@host"]) == 3
    captured = capsys.readouterr()
    body = json.loads(captured.out)["error"]
    assert body["code"] == "settings_invalid"
    assert "redis://" in body["message"]
    assert "CANARY" not in captured.out + captured.err


def test_an_unexpected_error_is_one_line_unless_debug_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of redis://:CANARY@host/0")

    monkeypatch.setattr("meetingtasks.cli.status.open_fleet", fail)
    assert run(["status"]) == 1
    captured = capsys.readouterr()
    assert "unexpected ZeroDivisionError" in captured.err
    assert "CANARY" not in captured.err
    assert "Traceback" not in captured.err
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "status"])
