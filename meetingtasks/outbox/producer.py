"""Stands where Celery expects a producer: what is published goes through the outbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kombu import Connection

from meetingtasks.errors import TaskConflict
from meetingtasks.idempotency import Claim, Duplicate
from meetingtasks.outbox.away import is_away
from meetingtasks.outbox.entry import Entry, entry_of
from meetingtasks.outbox.outbox import Outbox


class OutboxProducer:
    """Publishes one task to the broker, or keeps it while that is away; ``kept`` says which.

    ``claim``: what the task's idempotency key claims; ``duplicate``: the task that is kept under it already.
    ``other``: a producer that the caller brought, by which the broker is reached instead of our own connections.
    """

    def __init__(self, outbox: Outbox, other: Any = None) -> None:
        self.kept = False
        self.claim: Claim | None = None
        self.duplicate: Duplicate | None = None
        self.entry: Entry | None = None
        self._outbox = outbox
        self._other = other

    @property
    def connection(self) -> Connection:
        """The connection that Celery asks which errors are the broker's."""
        return self._outbox.sender.connection

    def publish(self, body: Any, **arguments: Any) -> None:
        """Publish as ``kombu.Producer.publish``. Raises TaskConflict, OutboxFull or OutboxUnavailable besides."""
        self.entry = entry = replace(entry_of(body, arguments), claim=self.claim)
        mark = entry.publish["mt_mark"]

        def send() -> Any:
            headers = dict(arguments["headers"])  # the record's first values are taken out of them on the way
            return self._other.publish(body, **{**arguments, "headers": headers, "mt_mark": mark})

        self._handed(entry, send if self._other is not None else None)

    def is_first(self) -> bool:
        """Tell whether a chosen id was free. When the broker does not say, the task is kept too: it takes it once."""
        entry = self.entry
        if self.kept or entry is None or (chosen := entry.values.get("submit_id")) is None:
            return True
        try:
            return bool(self._outbox.sender.store.field(entry.task_id, "submit_id") == chosen)
        except Exception as error:
            if not is_away(error):
                raise
            self._outbox.lost(error)
            self.kept = self._outbox.keep([entry.tried()]).kept
            return True

    def _handed(self, entry: Entry, send: Any) -> None:
        handed = self._outbox.hand_over([entry], send)
        self.kept = handed.kept
        told = handed.taken.get(entry.task_id)
        if isinstance(told, TaskConflict):
            raise told
        self.duplicate = told


class Capture:
    """Gathers what is published, to be handed over at once."""

    def __init__(self, outbox: Outbox) -> None:
        self.connection = outbox.sender.connection
        self.entries: list[Entry] = []

    def publish(self, body: Any, **arguments: Any) -> None:
        """Take note of one message."""
        self.entries.append(entry_of(body, arguments))
