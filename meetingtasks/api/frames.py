"""What comes in by a socket: one strict JSON object after the other, no larger and no faster than is allowed."""

from __future__ import annotations

from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from meetingtasks.api.body import object_of
from meetingtasks.clock import SYSTEM
from meetingtasks.errors import PayloadTooLarge, RateLimited
from meetingtasks.sessions import protocol


class Close(Exception):
    """The connection is to end, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def read_frame(websocket: WebSocket) -> Any:
    """Return the next frame as an object; MeetingTasksError when it is none, Close when it ends the connection."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    text = message.get("text")
    if text is None:
        await websocket.send_text(protocol.refusal(protocol.BadFrame("frames are text, not binary")))
        raise Close(1003, "frames are text, not binary")
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > protocol.MAX_FRAME_BYTES:
        limit = f"a frame has at most {protocol.MAX_FRAME_BYTES // 1024} KiB"
        await websocket.send_text(protocol.refusal(PayloadTooLarge(limit)))
        raise Close(4413, limit)
    return object_of(raw)


class Allowance:
    """How many frames a client may send; one that goes on far beyond is let go."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._left = float(burst)
        self._at_s = SYSTEM.monotonic_s()
        self._refused = 0

    def take(self) -> None:
        """Take one; RateLimited when none is left, Close after a burst of those."""
        now_s = SYSTEM.monotonic_s()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._left >= 1:
            self._left -= 1
            self._refused = 0
            return
        self._refused += 1
        if self._refused > self._burst:
            raise Close(4429, "too many frames")
        raise RateLimited("too many frames", retry_after_s=round((1 - self._left) / self._rate_per_s, 3))
