"""What an engine can fail with.

Engines know nothing of tasks, so they raise these; ``workers`` translates them into the platform's errors.
``code`` is stable and machine-readable, ``message`` names what is wrong and what to do about it.
"""

from __future__ import annotations


class EngineError(Exception):
    """An engine could not do its work."""

    code = "engine_failed"

    def __init__(self, message: str, *, code: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details


class InvalidInput(EngineError):
    """The input can never be processed: repeating it is useless."""

    code = "media_invalid"


class NotConfigured(EngineError):
    """The engine needs a setting, a model or a program that is not there; the message names it."""

    code = "engine_not_configured"


class OutOfResource(EngineError):
    """Memory, disk or a device is exhausted; later it may work."""

    code = "resource_exhausted"


class Cancelled(EngineError):
    """The caller's ``cancelled()`` said so; nothing half-made was left behind."""

    code = "cancelled"
