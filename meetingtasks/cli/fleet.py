"""The way from a command to the fleet: which server it is, and that it answers within a few seconds or not at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from meetingtasks import settings as settings_module
from meetingtasks.cli import server_file
from meetingtasks.cli.command import Common
from meetingtasks.clock import SYSTEM
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable, MeetingTasksError
from meetingtasks.logs import mask
from meetingtasks.records import TaskRecord
from meetingtasks.settings import Settings
from meetingtasks.store.runs import RunRecord, RunStore

Result = TypeVar("Result")

#: a dead broker is reported within five seconds, the start of Python included
ANSWER_WITHIN_S: Final = 3.0
READY_WITHIN_S: Final = 120.0
_PORTS: Final = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}
_WAYS_OUT: Final = "start one with `meetingtasks up`, or name yours with --broker-url or MT_BROKER_URL"


@dataclass(frozen=True)
class Fleet:
    """An open connection to a fleet."""

    dispatcher: TaskDispatcher
    runs: RunStore

    def task(self, task_id: str) -> TaskRecord | None:
        """Return a task's record, or None."""
        return self.dispatcher.store.get(task_id)

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run, or None."""
        return self.runs.get(run_id)


def settings_for(broker_url: str | None) -> Settings:
    """Return the settings of a command: ``--broker-url``, environment and file, else the server that runs here."""
    if broker_url is not None:
        return settings_module.load(broker_url=broker_url)
    loaded = settings_module.load()
    here = None if "broker_url" in loaded.model_fields_set else server_file.find()
    return loaded if here is None else loaded.model_copy(update={"broker_url": here.url})


@contextmanager
def open_fleet(common: Common) -> Iterator[Fleet]:
    """Connect; BrokerUnavailable within 3 s when the server is down, does not answer or refuses us."""
    settings = settings_for(common.broker_url)
    dispatcher = _within(ANSWER_WITHIN_S, lambda: _connect(settings), settings.broker_url)
    try:
        yield Fleet(dispatcher, RunStore(dispatcher.store.client, record_ttl_s=settings.record_ttl_s))
    finally:
        dispatcher.stop()


def wait_until_ready(
    dispatcher: TaskDispatcher, count: int, *, alive: Callable[[], bool], within_s: float = READY_WITHIN_S
) -> list[str]:
    """Return the names of the workers once ``count`` of them answer.

    MeetingTasksError when they do not in time, or when ``alive()`` says that none will.
    """
    deadline_s = SYSTEM.monotonic_s() + within_s
    answered: set[str] = set()
    while len(answered) < count:
        if not alive() or SYSTEM.monotonic_s() > deadline_s:
            raise MeetingTasksError(f"only {len(answered)} of {count} workers answered", code="workers_not_ready")
        replies = dispatcher.app.control.ping(timeout=0.5)
        answered |= {name for reply in replies or [] for name in reply}
    return sorted(answered)


def _connect(settings: Settings) -> TaskDispatcher:
    for url in {settings.broker_url, settings.effective_store_url}:
        _knock(url)
    return TaskDispatcher(settings=settings).start()


def _knock(url: str) -> None:
    """Raise OSError at once where nobody listens; the broker's own clients would try several times."""
    parts = urlsplit(url)
    if parts.scheme in _PORTS and parts.hostname:
        address = (parts.hostname, parts.port or _PORTS[parts.scheme])
        socket.create_connection(address, ANSWER_WITHIN_S).close()
    elif parts.scheme == "redis+socket":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_WITHIN_S)
            probe.connect(unquote(parts.path))


def _within(seconds: float, action: Callable[[], Result], url: str) -> Result:
    """Return what ``action`` returns; its own time limits add up to more than a person wants to wait."""
    answer: list[Result] = []
    failure: list[Exception] = []

    def act() -> None:
        try:
            answer.append(action())
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=act, name="connect", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        cause = getattr(failure[0], "strerror", None) or str(failure[0])
        cause = cause.removeprefix("the broker does not answer: ").rstrip(".")
        raise BrokerUnavailable(f"cannot reach the broker {mask(url)}: {cause}; {_WAYS_OUT}") from failure[0]
    if not answer:
        doubt = " (does it speak TLS?)" if url.startswith("rediss://") else ""
        raise BrokerUnavailable(f"the broker {mask(url)} did not answer within {seconds:g} s{doubt}; {_WAYS_OUT}")
    return answer[0]
