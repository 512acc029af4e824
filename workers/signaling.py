"""The signaling service: chat, negotiation, pushes. Run: ``celery -A workers.signaling worker``."""

from __future__ import annotations

from workers.base import declare_rest, make_service
from workers.reactions import react

service = make_service("signaling")
app = service.app

declare_rest(service)
react(service, {})
