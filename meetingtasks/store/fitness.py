"""Whether a server may carry the fleet: one that evicts keys would forget accepted tasks without a word."""

from __future__ import annotations

from typing import Final

from redis.exceptions import NoPermissionError

from meetingtasks.errors import SettingsError
from meetingtasks.store.client import Client

SAFE_POLICY: Final = "noeviction"


def check(client: Client) -> None:
    """Raise SettingsError when the server evicts keys once its memory is full; connection errors as they come."""
    try:
        policy = client.info("memory").get("maxmemory_policy", SAFE_POLICY)
    except NoPermissionError:  # a user without this right cannot be told
        return
    if policy != SAFE_POLICY:
        raise SettingsError(
            f"the server's maxmemory-policy is {policy}: it would drop accepted tasks when its memory is "
            f"full; set it to {SAFE_POLICY}"
        )
