"""The operator's view of deliveries: which there were, how each attempt went, and one more try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BusinessError, TaskConflict, TaskNotFound
from meetingtasks.records import TaskRecord
from meetingtasks.states import TaskState
from meetingtasks.store.webhooks import DeliveryLog, WebhookLog


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery and the state of its task; None when the task's record is gone."""

    log: DeliveryLog
    state: TaskState | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {**self.log.as_dict(), "state": self.state and self.state.value}


class Webhooks:
    """The deliveries of the last seven days."""

    def __init__(self, dispatcher: TaskDispatcher) -> None:
        self._dispatcher = dispatcher
        self._log = WebhookLog(dispatcher.store.client)

    def recent(self, limit: int = 50) -> list[Delivery]:
        """Return the newest deliveries."""
        found = self._log.recent(limit)
        records = self._dispatcher.store.get_many([log.id for log in found])
        return [_delivery(log, record) for log, record in zip(found, records, strict=True)]

    def get(self, delivery_id: str) -> Delivery:
        """Return one delivery; TaskNotFound when there is none of that id."""
        log, record = self._log.get(delivery_id), self._dispatcher.store.get(delivery_id)
        if log is None:
            raise TaskNotFound(f"there is no delivery {delivery_id!r} in the last seven days", task_id=delivery_id)
        return _delivery(log, record)

    def retry(self, delivery_id: str) -> str:
        """Deliver the same event again and return the new delivery's id; its receiver sees the first one's id.

        Raises TaskConflict while the delivery is still being tried, BusinessError when its content is gone.
        """
        self.get(delivery_id)
        record = self._dispatcher.store.get(delivery_id)
        if record is None or not record.payload:
            raise BusinessError(f"the content of delivery {delivery_id} is not kept any more", code="delivery_gone")
        if not record.state.is_final:
            raise TaskConflict(
                f"delivery {delivery_id} is {record.state}; it is still being tried", task_id=delivery_id
            )
        request = {"type": "webhook_delivery", "payload": record.payload, "parent_task_id": record.parent_task_id}
        return self._dispatcher.dispatch(request).task_id


def _delivery(log: DeliveryLog, record: TaskRecord | None) -> Delivery:
    return Delivery(log=log, state=None if record is None else record.state)
