"""The user service: accounts and presence. Run: ``celery -A workers.user worker``."""

from __future__ import annotations

from workers.base import declare_rest, make_service
from workers.reactions import react

service = make_service("user")
app = service.app

declare_rest(service)
react(service, {})
