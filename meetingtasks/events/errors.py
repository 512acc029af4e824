"""What a bus answers instead of waiting: it is full, or it takes no more."""

from __future__ import annotations

from meetingtasks.errors import BusinessError, TransientError


class EventBufferFull(TransientError):
    """The buffer is full, so this event was dropped; ``details`` give the buffer's size and the drops so far."""

    code = "event_buffer_full"


class BusStopped(BusinessError):
    """The bus was stopped, so this event was not accepted."""

    code = "event_bus_stopped"
