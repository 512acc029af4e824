"""The endpoints that the settings name, as the engines take them."""

from __future__ import annotations

from meetingtasks.settings import current
from workers.engines.chat import ChatConfig


def chat_config() -> ChatConfig | None:
    """Return the language model of the settings, or None when MT_CHAT_URL is not set."""
    settings = current()
    if settings.chat_url is None:
        return None
    key = settings.chat_key.get_secret_value() if settings.chat_key else ""
    return ChatConfig(url=settings.chat_url, key=key, model=settings.chat_model or "default")
