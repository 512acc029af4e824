"""A companion writes beside the broker: its commands and a message's move are one transaction of the same server.

The platform's task store is the companion of our apps: a task's record and its message are born together, and a task
that dies or expires in the broker ends in the record at the same moment. Commands must be such that running them twice
does the same as once: a message's fate is decided again when the process dies before the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from meetingtasks.broker.client import Client, Pipeline


@runtime_checkable
class Companion(Protocol):
    """Adds its commands to the transaction that moves a message; never executes the pipeline itself."""

    def on_enqueue(self, pipe: Pipeline, message: dict[str, Any]) -> None:
        """Run when a message is accepted; may strip headers that must not be stored with it."""

    def on_dead(self, pipe: Pipeline, message: dict[str, Any], reason: str) -> None:
        """Run when a message becomes a dead letter; ``reason``: worker_lost, rejected, unknown_type, malformed: …."""

    def on_expired(self, pipe: Pipeline, message: dict[str, Any]) -> None:
        """Run when a message is dropped because its start-by time has passed."""

    def before_purge(self, client: Client, ids: list[str]) -> None:
        """Run before waiting messages are dropped by an operator; their tasks are to be ended for good."""
