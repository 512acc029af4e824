"""Sends to the broker within seconds or not at all, and asks the store what became of what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kombu import Connection, Exchange, Queue
from kombu.pools import ProducerPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from meetingtasks.outbox.away import has_timed_out, is_away
from meetingtasks.outbox.entry import Entry
from meetingtasks.settings import Settings
from meetingtasks.states import TaskState
from meetingtasks.store.client import open_client
from meetingtasks.store.tasks import End, TaskStore

#: how long one answer may take: a submission meets at most two silences, so it gives up within 5 s
ANSWER_S: Final = 2.0
CONNECTIONS: Final = 50


@dataclass(frozen=True)
class Broker:
    """A broker as an app knows it: kombu's URL and transport options, and the platform's settings."""

    url: str
    options: Mapping[str, Any]
    settings: Settings

    @property
    def has_companion(self) -> bool:
        """Whether a message and its record are written in one transaction."""
        return "companion" in self.options


class Sender:
    """This process's impatient connections to one broker and its store."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        settings = broker.settings
        # one more try on a new connection: the old one may have been cut while it lay in the pool
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        client = open_client(
            settings.effective_store_url,
            decode_responses=True,
            encoding_errors="backslashreplace",
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            max_connections=CONNECTIONS,
            retry=retry,
        )
        self.store = TaskStore(client, record_ttl_s=settings.record_ttl_s, stream_length=settings.event_stream_length)
        timeouts = {"socket_timeout": ANSWER_S, "socket_connect_timeout": ANSWER_S, "max_retries": 0}
        self.connection = Connection(broker.url, transport_options={**broker.options, **timeouts})
        self._producers = ProducerPool(self.connection.Pool(limit=CONNECTIONS), limit=CONNECTIONS)

    def ping(self) -> None:
        """Raise when the store, and with it the broker, does not answer."""
        self.store.client.ping()

    def send(self, entries: Sequence[Entry]) -> None:
        """Publish, one or many in one round trip; raises whatever kombu and redis-py raise."""
        if not self._broker.has_companion:
            self.store.create_many({entry.task_id: entry.values for entry in entries})
        try:
            self._publish(entries)
        except Exception as error:
            if not is_away(error) or has_timed_out(error):
                raise
            self._publish(entries)  # what lay in the pool was broken; repeating it is safe

    def _publish(self, entries: Sequence[Entry]) -> None:
        with self._producers.acquire(block=True, timeout=ANSWER_S) as producer:
            if len(entries) == 1:
                _publish(producer, entries[0])
                return
            with _batch(producer, max_size=2 * len(entries)):
                for entry in entries:
                    _publish(producer, entry)

    def known(self, task_ids: Iterable[str]) -> list[dict[str, str]]:
        """Return the stored hashes of tasks, empty for those that never arrived."""
        return self.store.get_fields(task_ids)

    def cancel(self, entry: Entry) -> None:
        """End a kept task as cancelled, and tell it so where it arrived after all."""
        self.store.create(entry.task_id, entry.values)
        self.store.cancel(entry.task_id, reason=entry.cancel_reason, actor=entry.cancelled_by or "")

    def expire(self, entry: Entry) -> None:
        """End a kept task as expired, with a record; one that has started meanwhile goes on."""
        self.store.create(entry.task_id, entry.values)
        record = self.store.get(entry.task_id)
        if record is not None and record.attempt == 0 and not record.state.is_final:
            self.store.finish(entry.task_id, "", End(state=TaskState.EXPIRED, meta=_expired_meta(entry.task_id)))

    def close(self) -> None:
        """Close all connections."""
        producers: Any = self._producers
        producers.force_close_all()
        producers.connections.force_close_all()
        self.connection.release()
        self.store.client.close()


def _batch(producer: Any, *, max_size: int) -> Any:
    return producer.batch(max_size=max_size)  # newer than the type hints for kombu


def _publish(producer: Any, entry: Entry) -> None:
    arguments = entry.publish
    name = arguments.get("routing_key")
    declare = [Queue(name, Exchange("", type="direct"), routing_key=name)] if name else []
    producer.publish(entry.body, **arguments, declare=declare, retry=False)


def _expired_meta(task_id: str) -> str:
    """Return what Celery tells those who wait for the result."""
    refused = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions", "exc_message": ["expired"]}
    about: dict[str, Any] = {"traceback": None, "children": [], "task_id": task_id}
    return json.dumps({"status": "REVOKED", "result": refused, **about})
