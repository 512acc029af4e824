"""A message as Celery gets it: kombu's, with the body that the envelope check has already decoded."""

from __future__ import annotations

from typing import Any, Final

from meetingtasks.broker import kombu_parts

DECODED: Final = "mt_decoded"


class Message(kombu_parts.virtual.Message):  # type: ignore[misc] # see kombu_parts
    """Does not decode its body a second time."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        super().__init__(payload, channel=channel, **kwargs)
        self._decoded_cache = payload.pop(DECODED, None) or None
