"""Every setting: its unit, default and special values, read once and then frozen.

Sources, strongest first: arguments, ``MT_…`` environment variables, the YAML or JSON file named by ``MT_CONFIG``,
defaults. Nothing else in the platform reads the environment.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped] # it ships no types
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from meetingtasks.errors import SettingsError

_PREFIX = "MT_"
_CONFIG_VARIABLE = "MT_CONFIG"
_LARGEST_FILE_BYTES = 1024 * 1024
_PASSWORD = re.compile(r"(://[^:/?#@\s]*:|[?&]password=)(?:[^/?#&\s]+(?=@)|(?<==)[^&\s]+)")
REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")
BROKER_SCHEMES = (*REDIS_SCHEMES, "amqp", "amqps", "memory")


class Settings(BaseSettings):
    """The platform's settings; each field's description gives unit and special values."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, allow_inf_nan=False
    )

    broker_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Broker: redis://, rediss://, redis+socket:///path?virtual_host=0, "
        "sentinel://host:26379;sentinel://host2:26379/0?master_name=mymaster",
    )
    durability: Literal["fast", "strict"] = Field(
        "fast",
        description="fast: what is accepted is on the server's disk within two seconds; strict: before it is accepted "
        "(sentinel://: in a replica's memory; else the server's own appendfsync always sees to it)",
    )
    store_url: str | None = Field(None, description="Store of task records; empty: the broker's server")
    outbox_path: Path | None = Field(
        Path("var/outbox"),
        description="Directory where tasks are kept that are submitted while the broker is away; off: they are refused",
    )
    outbox_max_tasks: int = Field(100_000, ge=1, description="Most tasks kept there; more are refused")
    outbox_max_bytes: int = Field(268_435_456, ge=1024, description="Most bytes of messages kept there")
    outbox_max_age_s: float = Field(
        43_200, gt=0, description="Seconds after which a kept task expires instead of running; at most record_ttl_s"
    )
    storage_root: Path = Field(Path("var/storage"), description="Directory of recordings and results")
    scratch_root: Path | None = Field(None, description="Directory for temporary files; empty: under storage_root")
    record_ttl_s: int = Field(86_400, ge=60, description="Seconds a finished task's record stays in the store")
    event_stream_length: int = Field(100_000, ge=1000, description="Task events kept in the store's stream")
    inline_result_limit_bytes: int = Field(
        262_144, ge=1024, description="Largest result kept in the record; a larger one must be a reference"
    )
    lease_s: float = Field(6.0, ge=0.3, description="Seconds a worker may hold a message without renewing it")
    renew_s: float = Field(2.0, ge=0.1, description="Seconds between renewals; at most a third of lease_s")
    max_deliveries: int = Field(3, ge=1, le=100, description="Worker crashes after which a task is given up")
    retry_policy: Literal["exponential", "quadratic"] = Field("exponential", description="How retry delays grow")
    retry_base_s: float = Field(1.0, gt=0, le=3600, description="Seconds before the first retry, before jitter")
    retry_cap_s: float = Field(300.0, gt=0, le=86_400, description="Longest delay before a retry, in seconds")
    retry_jitter: bool = Field(default=True, description="Draw each delay between zero and the grown one")
    retry_resource_s: float = Field(600.0, gt=0, description="Seconds before the retry of a resource error")
    pool_process_memory_mib: int = Field(
        0, ge=0, description="Address space of each pool process in MiB; beyond it a task is out of memory; 0: no limit"
    )
    concurrency: int = Field(0, ge=0, le=1024, description="Tasks at once per worker; 0: by the service's own rule")
    max_shutdown_wait_s: float = Field(
        300.0, ge=0.1, le=86_400, description="Seconds a stopping worker waits for running tasks"
    )
    shutdown_overdue: Literal["requeue", "fail"] = Field(
        "requeue", description="What becomes of tasks that run longer than that: they go back to their queue, or fail"
    )
    cancel_grace_s: float = Field(
        4.0, ge=0, le=86_400, description="Seconds a cancelled task may go on before its process is ended; prefork pool"
    )
    webhook_hosts: tuple[str, ...] = Field(
        (), description="Hosts that callback addresses may name (JSON list); .example.com: its subdomains; empty: none"
    )
    webhook_secrets: dict[str, SecretStr] = Field(
        {}, description="Secrets that sign deliveries, by name (JSON object); a request that names none uses 'default'"
    )
    webhook_allow_loopback: bool = Field(
        default=False, description="For tests: callback addresses may be http and lead to this machine"
    )
    speech_engine: Literal["auto", "pocketsphinx", "faster-whisper", "http"] = Field(
        "auto", description="Engine of tasks that name none; auto: the best one that is configured"
    )
    whisper_model_path: Path | None = Field(None, description="Directory of a faster-whisper model")
    speech_http_url: str | None = Field(None, description="OpenAI-style /v1/audio/transcriptions endpoint")
    speech_http_key: SecretStr | None = Field(None, description="Bearer key of that endpoint")
    chat_url: str | None = Field(None, description="OpenAI-style /v1/chat/completions endpoint for minutes and texts")
    chat_key: SecretStr | None = Field(None, description="Bearer key of that endpoint")
    chat_model: str | None = Field(None, description="Model name sent to that endpoint")
    face_model_path: Path | None = Field(None, description="ONNX model for emotions in faces")
    api_host: str = Field("127.0.0.1", description="Address on which the HTTP API listens")
    api_port: int = Field(8080, ge=0, le=65_535, description="Its port; 0: a free one")
    api_origins: tuple[str, ...] = Field(
        (), description="Origins whose pages may use the API from a browser, as a JSON list; empty: none but its own"
    )
    api_rate_per_s: float = Field(
        50.0, gt=0, description="Frames per second that one WebSocket may send; HTTP requests are not limited"
    )
    api_burst: int = Field(200, ge=1, description="Frames that it may send at once, before that rate holds")
    api_upload_max_bytes: int = Field(
        4_294_967_296, ge=1024, description="Largest upload over HTTP, all files of a request together"
    )
    session_max_tasks: int = Field(
        5, ge=1, le=1000, description="Tasks of one client session that may wait or run at once; more are refused"
    )
    session_idle_s: float = Field(
        1800.0, ge=1, description="Seconds after its last sign of life at which a session without live tasks ends"
    )
    client_task_types: tuple[str, ...] = Field(
        (), description="Types that clients may submit beside those meant for them, as a JSON list"
    )
    jwt_key: SecretStr | None = Field(None, description="Key that verifies bearer tokens; empty: API keys only")
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field("HS256", description="Their only algorithm")
    jwt_audience: str = Field("meetingtasks", description="The audience that they must name")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    log_format: Literal["text", "json"] = Field("text", description="One line per record: key=value text or JSON")

    @field_validator("broker_url", "store_url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in BROKER_SCHEMES:
            raise ValueError(f"start it with one of {', '.join(s + '://' for s in BROKER_SCHEMES)}")
        if scheme in ("redis", "rediss"):
            _ = urlsplit(url).port  # ValueError says what is wrong with it
        return url

    @field_validator("outbox_path", mode="before")
    @classmethod
    def _may_be_off(cls, path: object) -> object:
        return None if path == "off" else path

    @field_validator("renew_s")
    @classmethod
    def _renews_in_time(cls, renew_s: float, info: Any) -> float:
        lease_s = info.data.get("lease_s")
        if lease_s is not None and renew_s * 3 > lease_s + 1e-9:
            raise ValueError(f"must be at most a third of lease_s ({lease_s})")
        return renew_s

    @model_validator(mode="after")
    def _records_have_a_place(self) -> Self:
        if not self.effective_store_url.startswith(tuple(f"{scheme}://" for scheme in REDIS_SCHEMES)):
            raise ValueError("store_url: must be set where the broker is not Redis: records are kept in Redis")
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show all settings, with the passwords in URLs masked."""
        for name, value in super().__repr_args__():
            yield name, _PASSWORD.sub(r"\1***", value) if isinstance(value, str) and "://" in value else value

    @property
    def effective_store_url(self) -> str:
        """Where task records live."""
        return self.store_url or self.broker_url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the file of ``MT_CONFIG``."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, InitSettingsSource(settings_cls, _file_settings())


def _file_settings() -> dict[str, Any]:
    """Read the configuration file; SettingsError names it and the line."""
    name = os.environ.get(_CONFIG_VARIABLE)
    if not name:
        return {}
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"{_CONFIG_VARIABLE}: there is no file {path}", file=name)
    try:
        found = _parsed(path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}: line {line}: {error.problem}", file=name, line=line) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8", file=name) from error
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}", file=name) from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise SettingsError(f"{path}: must be a mapping of settings to values", file=name)
    return found


def _parsed(path: Path) -> Any:
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise ValueError("is larger than 1 MiB")
    text = path.read_text("utf-8")
    found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return {} if found is None and path.suffix != ".json" else found


def load(**overrides: Any) -> Settings:
    """Read and check all settings; SettingsError names the setting, where it stands and what is allowed."""
    _refuse_unknown_variables()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = [_told(e, overrides) for e in error.errors(include_input=False)]
        raise SettingsError("; ".join(problems), problems=problems) from None


@functools.cache
def current() -> Settings:
    """Return this process's settings, read at the first call."""
    return load()


def _told(error: Any, overrides: dict[str, Any]) -> str:
    """Return where a refused value stands and what is wrong with it."""
    problem = _problem(error)
    if not error["loc"]:
        return problem
    name = str(error["loc"][0])
    if name in overrides:
        return f"{name}: {problem}"
    if any(variable.upper() == _PREFIX + name.upper() for variable in os.environ):
        return f"{_PREFIX}{name.upper()}: {problem}"
    if name in _file_settings():
        return f"{os.environ[_CONFIG_VARIABLE]}: {name}: {problem}"
    return f"{name}: {problem}"


def _problem(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), Settings.model_fields, n=1)
        return "unknown setting" + (f"; did you mean {near[0]}?" if near else "")
    return str(error["msg"]).removeprefix("Value error, ")


def _refuse_unknown_variables() -> None:
    known = {_PREFIX + name.upper() for name in Settings.model_fields} | {_CONFIG_VARIABLE}
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name}: unknown environment variable{hint}", variable=name)
