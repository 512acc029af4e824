"""How a delivery is signed, and how its receiver sees that it is ours, unchanged and fresh."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from meetingtasks.clock import SYSTEM, Clock

ID: Final = "X-Meetingtasks-Id"
EVENT: Final = "X-Meetingtasks-Event"
TIMESTAMP: Final = "X-Meetingtasks-Timestamp"
SIGNATURE: Final = "X-Meetingtasks-Signature"
VERSION: Final = "v1"
TOLERANCE_S: Final = 300.0


def sign(secret: str, body: bytes, *, delivery_id: str, event: str, clock: Clock = SYSTEM) -> dict[str, str]:
    """Return a delivery's headers: id, event, time in s since 1970, and ``v1=<HMAC-SHA256 in hexadecimal>``.

    What is signed is ``<timestamp>.<id>.<body>``.
    """
    timestamp = str(clock.now_ms() // 1000)
    signature = f"{VERSION}={_digest(secret, timestamp, delivery_id, body)}"
    return {ID: delivery_id, EVENT: event, TIMESTAMP: timestamp, SIGNATURE: signature}


def verify(
    headers: Mapping[str, str], body: bytes, secret: str, *, tolerance_s: float = TOLERANCE_S, clock: Clock = SYSTEM
) -> bool:
    """Tell whether a delivery was signed with this secret at most ``tolerance_s`` ago, and is unchanged."""
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, delivery_id = given.get(TIMESTAMP.lower(), ""), given.get(ID.lower(), "")
    expected = f"{VERSION}={_digest(secret, timestamp, delivery_id, body)}"
    if not hmac.compare_digest(expected.encode(), given.get(SIGNATURE.lower(), "").encode()):
        return False
    return timestamp.isdecimal() and abs(clock.now_ms() / 1000 - int(timestamp)) <= tolerance_s


def _digest(secret: str, timestamp: str, delivery_id: str, body: bytes) -> str:
    signed = f"{timestamp}.{delivery_id}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
