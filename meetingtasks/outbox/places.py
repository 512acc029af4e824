"""Which outbox belongs to which app: one per process and broker, in a file named after the broker."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from meetingtasks.outbox.file import OutboxFile
from meetingtasks.outbox.limits import Limits
from meetingtasks.outbox.outbox import Outbox
from meetingtasks.outbox.sender import Broker, Sender
from meetingtasks.settings import REDIS_SCHEMES, Settings

SUFFIX: Final = ".sqlite3"
_LONGEST_NAME: Final = 60

_apps: WeakKeyDictionary[Any, tuple[Path, Settings]] = WeakKeyDictionary()
_outboxes: dict[tuple[Path, str], Outbox] = {}
_lock = threading.Lock()
#: what a fork brought along: SQLite forbids even to close a parent's connection
_left_to_parents: list[Any] = []


def attach(app: Any, settings: Settings) -> None:
    """Let an app's submissions go by the outbox that its settings name."""
    if settings.outbox_path is not None and settings.broker_url.startswith(tuple(f"{s}://" for s in REDIS_SCHEMES)):
        _apps[app] = (path_of(settings), settings)


def of(app: Any) -> Outbox | None:
    """Return this process's outbox of an app, or None where there is none."""
    found = _apps.get(app)
    if found is None:
        return None
    path, settings = found
    with _lock:
        key = (path, settings.broker_url)
        if key not in _outboxes:
            broker = Broker(app.conf.broker_url, app.conf.broker_transport_options, settings)
            _outboxes[key] = Outbox(OutboxFile(path, Limits.of(settings)), lambda: Sender(broker))
        return _outboxes[key]


def file_of(settings: Settings) -> OutboxFile | None:
    """Return the file of these settings' broker alone, or None where the outbox is off."""
    return None if settings.outbox_path is None else OutboxFile(path_of(settings), Limits.of(settings))


def path_of(settings: Settings) -> Path:
    """Return the file for these settings' broker. It stays the same when only the password changes."""
    assert settings.outbox_path is not None  # noqa: S101 - the callers have looked
    places = [_without_credentials(url) for url in (settings.broker_url, settings.effective_store_url)]
    digest = hashlib.sha256("|".join(places).encode()).hexdigest()[:12]
    words = re.sub(r"[^a-zA-Z0-9]+", "-", places[0]).strip("-")[-_LONGEST_NAME:]
    return settings.outbox_path.absolute() / f"{words}-{digest}{SUFFIX}"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"


def _forget_parents() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that does not exist here
    _lock = threading.Lock()
    _left_to_parents.append(dict(_outboxes))
    _outboxes.clear()


os.register_at_fork(after_in_child=_forget_parents)
