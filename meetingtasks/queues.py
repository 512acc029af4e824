"""What waits in the queues, why, and what was set aside: the operator's view of the broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from meetingtasks.broker import LeaseQueue, Quarantine, Quarantined, QueueSize
from meetingtasks.errors import BusinessError, TaskNotFound
from meetingtasks.routing import from_broker_number
from meetingtasks.settings import Settings, current
from meetingtasks.states import Priority
from meetingtasks.store.client import connect
from meetingtasks.store.dead_letters import DeadLetterStore, Stretch
from meetingtasks.store.routes import RouteStore
from meetingtasks.store.tasks import TaskStore
from meetingtasks.submission import message_id_of, task_id_of
from meetingtasks.task_types import QUEUES


class Queues:
    """All queues of one broker, and its quarantine."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or current()
        self._raw = connect(self._settings.broker_url, as_bytes=True)
        text = connect(self._settings.effective_store_url)
        self._tasks = TaskStore(text)
        self._dead = DeadLetterStore(text)
        self._routes = RouteStore(text)
        self.quarantine = Quarantine(self._raw)

    def names(self) -> dict[str, str]:
        """Return every known queue with the service that serves it."""
        own = {name: spec.service for name, spec in QUEUES.items()}
        return own | {route.queue_name: route.service_name for route in self._routes.all()}

    def all(self) -> list[dict[str, Any]]:
        """Return the figures of every queue; see ``show``."""
        dead = self._dead_by_queue()
        return [self._row(name, service, dead.get(name, 0)) for name, service in self.names().items()]

    def show(self, name: str) -> dict[str, Any]:
        """Return one queue's figures.

        ``critical_pending`` … ``low_pending`` (ready messages), ``delayed_count``, ``capped_count`` (they wait for a
        cap), ``processing_count`` (leased), ``dead_letter_count``, ``queue_length`` (ready, delayed and capped),
        ``oldest_age_s`` (None when nothing is ready).
        BusinessError for a queue that nobody knows.
        """
        return self._row(name, self._service(name), self._dead_by_queue().get(name, 0))

    def peek(self, name: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return the next ready messages in the order in which they will start, without taking them."""
        self._service(name)
        found = self._queue(name).peek(limit)
        records = self._tasks.get_many([task_id_of(message.id) for message in found])
        return [
            {
                "position": place,
                "task_id": task_id_of(message.id),
                "type": record.type if record else None,
                "priority": self._level(message.priority).value,
                "meeting_key": message.key or None,
                "enqueued_ms": message.enqueued_ms,
                "deliveries": message.deliveries,
            }
            for place, (message, record) in enumerate(zip(found, records, strict=True))
        ]

    def explain(self, task_id: str) -> dict[str, Any]:
        """Say where a task's message is and what it waits for, in data and in a sentence. TaskNotFound without one."""
        record = self._tasks.get(task_id)
        if record is None:
            raise TaskNotFound(f"there is no task {task_id!r}", task_id=task_id)
        found = self._queue(record.queue).explain(message_id_of(task_id, record.retries))
        facts = {name: value for name, value in asdict(found).items() if name not in ("message", "id")}
        return {"task_id": task_id, "state": record.state.value, **facts, "why": _sentence(record.state.value, facts)}

    def purge(self, name: str) -> int:
        """Drop everything that waits in a queue and cancel its tasks; running tasks go on. Returns how many went."""
        self._service(name)
        return self._queue(name).purge(before=self._cancel)

    def _cancel(self, message_ids: list[str]) -> None:
        for message_id in message_ids:
            self._tasks.cancel(task_id_of(message_id), reason="purged", only_waiting=True)

    def quarantined(self, entry_id: str) -> Quarantined:
        """Return one entry of the quarantine; BusinessError when there is none of that id."""
        entry = self.quarantine.show(entry_id)
        if entry is None:
            raise BusinessError(f"there is no quarantined message {entry_id!r}", code="not_found")
        return entry

    def _queue(self, name: str) -> LeaseQueue:
        return LeaseQueue(self._raw, name)

    def _service(self, name: str) -> str:
        known = self.names()
        if name not in known:
            raise BusinessError(f"there is no queue {name!r}; there are {', '.join(known)}", code="unknown_queue")
        return known[name]

    def _row(self, name: str, service: str, dead: int) -> dict[str, Any]:
        size = self._queue(name).size()
        pending = self._by_level(size)
        return {
            "queue": name,
            "service": service,
            **{f"{level.value}_pending": pending[level] for level in Priority},
            "delayed_count": size.delayed,
            "capped_count": size.parked,
            "processing_count": size.leased,
            "dead_letter_count": dead,
            "queue_length": size.total_ready + size.delayed + size.parked,
            "oldest_age_s": size.oldest_s,
        }

    def _by_level(self, size: QueueSize) -> Mapping[Priority, int]:
        pending = dict.fromkeys(Priority, 0)
        for number, count in size.ready.items():
            pending[self._level(number)] += count
        return pending

    def _level(self, number: int) -> Priority:
        return from_broker_number(number, self._settings.broker_url)

    def _dead_by_queue(self) -> dict[str, int]:
        return Counter(facts["queue"] for _, facts in self._dead.walk(Stretch()))


def _sentence(state: str, facts: Mapping[str, Any]) -> str:
    place = facts["place"]
    if place == "ready":
        ahead = facts["position"]
        return (
            "it is next: it starts when a worker of this queue has a free slot"
            if not ahead
            else (f"{ahead} messages are ahead of it; it starts when they have and a slot is free")
        )
    if place == "delayed":
        return f"it is due in {facts['in_s']:.1f} s"
    if place == "parked":
        return _capped(facts["position"], facts["blocked"])
    if place == "leased":
        return f"a worker runs it ({facts['owner']}); its lease is good for another {facts['in_s']:.1f} s"
    if place == "dead":
        return f"it is a dead letter: {facts['reason']}"
    return f"no message of it is in the broker; its record says {state}"


def _capped(ahead: int, cap: Mapping[str, Any]) -> str:
    others = f"; {ahead} of its type are ahead of it" if ahead else ""
    if cap["most"] is not None and cap["in_work"] >= cap["most"]:
        return f"its type, {cap['cap']}, is at its cap of {cap['most']}{others}"
    if cap["per_s"] is not None:
        return f"its type, {cap['cap']}, starts at most {cap['per_s']:g} per second{others}"
    return f"its type, {cap['cap']}, has room again: it is about to be ready{others}"
