"""Every setting: where it comes from, what is refused and how that is told."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from meetingtasks.errors import SettingsError
from meetingtasks.settings import Settings, load

SetVariables = Callable[..., None]


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> SetVariables:
    """Return a function that sets MT_ variables; there are no others."""
    for name in [name for name in os.environ if name.startswith("MT_")]:
        monkeypatch.delenv(name)

    def assign(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return assign


@pytest.fixture
def config(tmp_path: Path, environ: SetVariables) -> Callable[..., Path]:
    """Return a function that makes a configuration file and names it in MT_CONFIG."""

    def write(content: str | bytes, name: str = "fleet.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        environ(MT_CONFIG=str(path))
        return path

    return write


def problem_of(**overrides: object) -> str:
    with pytest.raises(SettingsError) as raised:
        load(**overrides)
    assert "\n" not in raised.value.message
    return raised.value.message


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    if field.annotation in (int, float):
        measured = name.endswith(("_s", "_ms", "_bytes")) or "Seconds" in field.description
        assert measured or field.description.split()[0] not in ("Time", "Size"), "its unit belongs into its name"


def test_settings_are_frozen() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.lease_s = 9  # type: ignore[misc] # what the test is about


def test_arguments_go_before_the_environment_and_that_before_the_file(
    environ: SetVariables, config: Callable[..., Path]
) -> None:
    config("lease_s: 7\nrenew_s: 0.7\nrecord_ttl_s: 70\n")
    environ(MT_RENEW_S="0.8", MT_RECORD_TTL_S="80")
    settings = load(record_ttl_s=90)
    assert (settings.lease_s, settings.renew_s, settings.record_ttl_s) == (7, 0.8, 90)


def test_json_is_read_as_well(config: Callable[..., Path]) -> None:
    config(json.dumps({"retry_policy": "quadratic", "retry_jitter": False}), "fleet.json")
    assert (load().retry_policy, load().retry_jitter) == ("quadratic", False)


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "{}\n", "---\n"])
def test_an_empty_file_changes_nothing(config: Callable[..., Path], content: str) -> None:
    config(content)
    assert load().model_dump() == Settings.model_construct().model_dump()


def test_an_empty_variable_means_unset(environ: SetVariables) -> None:
    environ(MT_LEASE_S="")
    assert load().lease_s == 6


def test_row_40_a_misspelt_variable_is_named_with_the_right_one(environ: SetVariables) -> None:
    environ(MT_BROKER_ULR="redis://h/0")
    assert problem_of() == "MT_BROKER_ULR: unknown environment variable; did you mean MT_BROKER_URL?"


def test_row_40_a_bad_value_names_its_variable(environ: SetVariables) -> None:
    environ(MT_LEASE_S="soon", MT_CONCURRENCY="-1")
    problem = problem_of()
    assert "MT_LEASE_S: " in problem
    assert "MT_CONCURRENCY: " in problem
    assert "greater than or equal to 0" in problem


def test_row_40_a_bad_argument_is_named() -> None:
    assert problem_of(max_deliveries=0).startswith("max_deliveries: ")
    assert "did you mean lease_s" in problem_of(leas_s=5)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("lease_s: soon\n", "lease_s: "),
        ("lease_s: {a: 1}\n", "lease_s: "),
        ("brokr_url: redis://h/0\n", "brokr_url: unknown setting; did you mean broker_url?"),
        ("lease_s:\n\t- 5\n", "line 2"),
        ("lease_s: [5\n", "line 2"),
        ("[1, 2]\n", "must be a mapping of settings to values"),
        ("just words\n", "must be a mapping of settings to values"),
        ("5\n", "must be a mapping of settings to values"),
        ("5: 1\n", "must be a mapping of settings to values"),
        ("a: &a [1]\nb: *c\n", "line 2"),
        (b"broker_url: \xff\xfe\n", "is not UTF-8"),
        ("x: !!python/object/apply:os.system [ls]\n", "line 1"),
    ],
)
def test_row_40_a_bad_file_is_named_with_the_place(
    config: Callable[..., Path], content: str | bytes, problem: str
) -> None:
    path = config(content)
    told = problem_of()
    assert told.startswith(f"{path}: ")
    assert problem in told


@pytest.mark.parametrize("content", ["{", "[1]", '"x"', "nul"])
def test_row_40_a_bad_json_file_is_named(config: Callable[..., Path], content: str) -> None:
    path = config(content, "fleet.json")
    assert problem_of().startswith(f"{path}: ")


def test_row_40_a_file_that_is_far_too_large_is_not_read(config: Callable[..., Path]) -> None:
    path = config("# " + "x" * 2_000_000)
    assert problem_of() == f"{path}: is larger than 1 MiB"


@pytest.mark.parametrize("place", ["missing.yaml", "."])
def test_row_40_a_file_that_is_none_is_told(environ: SetVariables, tmp_path: Path, place: str) -> None:
    environ(MT_CONFIG=str(tmp_path / place))
    assert problem_of() == f"MT_CONFIG: there is no file {tmp_path / place}"


@pytest.mark.parametrize("url", ["localhost:6379", "http://h", "redis:/h", "://h"])
def test_row_41_a_url_without_a_known_scheme_is_refused(environ: SetVariables, url: str) -> None:
    environ(MT_BROKER_URL=url)
    assert "redis://" in problem_of()


@pytest.mark.parametrize("url", ["redis://h:99999/0", "redis://h:port/0"])
def test_row_41_a_port_that_is_none_is_refused(environ: SetVariables, url: str) -> None:
    environ(MT_BROKER_URL=url)
    assert "port" in problem_of().lower()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("name", ["MT_LEASE_S", "MT_RETRY_RESOURCE_S", "MT_MAX_SHUTDOWN_WAIT_S"])
def test_a_time_is_a_finite_number(environ: SetVariables, name: str, value: str) -> None:
    environ(**{name: value})
    assert name in problem_of()


def test_row_42_a_renewal_that_comes_too_late_is_refused() -> None:
    assert "renew_s: must be at most a third of lease_s (6.0)" in problem_of(renew_s=2.1)
    assert load(lease_s=0.6, renew_s=0.2).renew_s == 0.2


def test_no_secret_is_shown(environ: SetVariables) -> None:
    environ(
        MT_BROKER_URL="redis://user:geheim@h/0",
        MT_STORE_URL="rediss://:ge:heim@h/1?password=geheim&db=1",
        MT_CHAT_KEY="geheim",
        MT_SPEECH_HTTP_KEY="geheim",
    )
    settings = load()
    assert settings.broker_url == "redis://user:geheim@h/0"
    assert settings.chat_key == SecretStr("geheim")
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "geheim" not in shown.replace("ge:heim", "geheim")
        assert "rediss://:***@h/1?password=***&db=1" in shown
        assert "redis://user:***@h/0" in shown


def test_a_refused_secret_is_not_repeated(environ: SetVariables) -> None:
    environ(MT_BROKER_URL="http://:geheim@h")
    assert "geheim" not in problem_of()


def test_records_live_at_the_broker_unless_told_otherwise() -> None:
    assert load(broker_url="redis://h/0").effective_store_url == "redis://h/0"
    assert load(broker_url="amqp://h//", store_url="redis://h/1").effective_store_url == "redis://h/1"


def test_rabbitmq_carries_messages_but_keeps_no_records() -> None:
    assert "store_url" in problem_of(broker_url="amqp://h//")
