"""The WebSocket ``/api/v1/ws``: the thin end between a socket and its client's session.

Of each socket, one task reads frames and lets the conversation answer them, another sends what the mailbox holds and
what the outbox owes. A client that stops reading holds up nothing but its own sender, which is let go after a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from meetingtasks.access import LOCAL_ADMIN, Principal
from meetingtasks.answers import translated
from meetingtasks.api.fleet import Fleet
from meetingtasks.api.frames import Allowance, Close, read_frame
from meetingtasks.api.guard import principal_of
from meetingtasks.errors import MeetingTasksError, Unauthorized
from meetingtasks.sessions import protocol
from meetingtasks.sessions.conversation import Conversation
from meetingtasks.sessions.errors import SessionUnknown
from meetingtasks.sessions.hub import Hub
from meetingtasks.sessions.mailbox import Mailbox

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/ws"
HELLO_WITHIN_S: Final = 10.0
#: how long one frame may take to leave; then the client does not read
SEND_WITHIN_S: Final = 30.0
CLOSE_WITHIN_S: Final = 5.0
FRAMES_AT_ONCE: Final = 50
RECONNECT_AFTER_S: Final = 2
#: a server without keys answers only to the names by which a machine calls itself
OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def install(api: FastAPI) -> None:
    """Add the route; ``opened`` has to hold while the application lives."""
    api.add_api_websocket_route(PATH, serve)


@asynccontextmanager
async def opened(api: FastAPI) -> AsyncIterator[None]:
    """Hold what the sockets of an application need, as ``api.state.hub``."""
    fleet: Fleet = api.state.fleet
    hub = api.state.hub = Hub(fleet.dispatcher, fleet.settings).start()
    try:
        yield
    finally:
        await run_in_threadpool(hub.stop)


def close_all(api: FastAPI) -> None:
    """Ask every client of an application to come again. Safe in a signal's handler."""
    hub: Hub | None = getattr(api.state, "hub", None)
    if hub is not None:
        hub.close_all()


async def serve(websocket: WebSocket) -> None:
    """Serve one socket from its first frame to its end."""
    if not _may_come(websocket):
        await websocket.close(4403)  # before it is accepted: HTTP 403
        return
    await websocket.accept()
    try:
        await _serve(websocket)
    except Close as close:
        await _end(websocket, close)
    except (WebSocketDisconnect, RuntimeError) as gone:  # starlette says the latter when one writes to a closed socket
        log.debug("a client has gone", extra={"why": str(gone)})


def _may_come(websocket: WebSocket) -> bool:
    """Tell whether a page of this origin may connect; programs send none."""
    host = websocket.headers.get("host", "")
    if websocket.app.state.insecure_local and (host.rpartition(":")[0] or host).lower() not in OWN_NAMES:
        return False
    origin = websocket.headers.get("origin")
    allowed: tuple[str, ...] = websocket.app.state.fleet.settings.api_origins
    return origin is None or origin in allowed or urlsplit(origin).netloc == host


async def _serve(websocket: WebSocket) -> None:
    hub: Hub = websocket.app.state.hub
    ready, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ready.set)

    mailbox = Mailbox(wake)
    greeting = Greeting(websocket, hub, mailbox)
    client = await greeting.client()
    sender = Sender(websocket, client, hub, ready, sent=greeting.last_seq)
    try:
        await run_in_threadpool(client.open)
        mailbox.news()
        await _until_first(_read(websocket, client), sender.run())
    finally:
        hub.leave(client)
        await asyncio.shield(run_in_threadpool(_close, client))


def _close(client: Conversation) -> None:
    try:
        with translated():
            client.close("connection closed")
    except MeetingTasksError as error:
        log.warning("the end of a connection was not noted", extra={"why": error.message})


class Greeting:
    """The first frame of a socket: who is there, and which session begins or goes on."""

    def __init__(self, websocket: WebSocket, hub: Hub, mailbox: Mailbox) -> None:
        self._websocket = websocket
        self._hub = hub
        self._mailbox = mailbox
        self.last_seq = 0

    async def client(self) -> Conversation:
        """Return the client whose hello has come; Close when there is none."""
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                frame = await read_frame(self._websocket)
        except TimeoutError:
            raise Close(4408, f"no hello within {HELLO_WITHIN_S:g} s") from None
        except MeetingTasksError as error:
            await self._websocket.send_text(protocol.refusal(error))
            raise Close(4400, "the first frame cannot be read") from None
        try:
            incoming = protocol.read(frame)
            if not isinstance(incoming.data, protocol.Hello):
                raise Unauthorized("say hello first")
            return await run_in_threadpool(self._greet, incoming, incoming.data)
        except MeetingTasksError as error:
            await self._websocket.send_text(protocol.refusal(error, answers=protocol.id_of(frame)))
            code = 4401 if isinstance(error, Unauthorized) else 1013 if error.retryable else 4400
            raise Close(4403 if error.code == "forbidden" else code, error.message) from None

    def _greet(self, incoming: protocol.Incoming, hello: protocol.Hello) -> Conversation:
        with translated():
            authenticate = partial(_principal, self._websocket, hello.token)  # asked again every 30 s
            user_id = authenticate().user_id
            resync, resumed = "", hello.session_id is not None
            try:
                token = hello.resume_token or ""
                held = self._hub.manager.resume_session(hello.session_id or "", token, user_id=user_id)
                self.last_seq = hello.last_seq
            except SessionUnknown:
                session = self._hub.manager.register_session(None, user_id, hello.meeting_id)
                token, held = session.resume_token, self._hub.manager.session(session.id)
                resync, resumed = "expired" if resumed else "", False
            client = Conversation(self._hub.manager, held, authenticate, self._mailbox, listen=self._hub.listen)
            self._hub.join(client)
            if self.last_seq > held.seq:  # the server has lost what it had told
                self.last_seq, resync = 0, "gap"
            self._tell(incoming, client, token, {"resumed": resumed, "replayed": held.seq - self.last_seq})
            if resync:
                self._mailbox.answer(protocol.frame("resync", {"reason": resync, "requests": client.snapshot()}))
            return client

    def _tell(self, incoming: protocol.Incoming, client: Conversation, token: str, about: dict[str, Any]) -> None:
        settings = self._hub.manager.settings
        limits = {
            "max_concurrent": settings.session_max_tasks,
            "max_frame_bytes": protocol.MAX_FRAME_BYTES,
            "idle_s": settings.session_idle_s,
        }
        ready = {"session_id": client.session_id, "resume_token": token, "user_id": client.user_id}
        self._mailbox.answer(protocol.frame("ready", {**ready, "limits": limits, **about}, answers=incoming.id))


def _principal(websocket: WebSocket, token: str | None) -> Principal:
    if websocket.app.state.insecure_local:
        return LOCAL_ADMIN
    if token is None:
        raise Unauthorized("hello needs a token")
    return principal_of(token, websocket.app.state.fleet)


class Sender:
    """Sends one client what waits for it: answers first, then what it is owed, then the newest progress."""

    def __init__(
        self, websocket: WebSocket, client: Conversation, hub: Hub, ready: asyncio.Event, *, sent: int
    ) -> None:
        self._websocket = websocket
        self._client = client
        self._hub = hub
        self._ready = ready
        self._sent = sent

    async def run(self) -> None:
        """Send until the connection is to end; then Close."""
        mailbox = self._client.mailbox
        while True:
            await self._ready.wait()
            self._ready.clear()
            if mailbox.closed is not None:
                raise Close(*mailbox.closed)
            for text in mailbox.take_answers():
                await self._send(text)
            if mailbox.take_news():
                await self._send_owed()
            for text in mailbox.take_progress():
                await self._send(text)

    async def _send_owed(self) -> None:
        store = self._hub.manager.store
        while True:
            try:
                with translated():
                    owed = await run_in_threadpool(
                        store.frames, self._client.session_id, self._sent, limit=FRAMES_AT_ONCE
                    )
                    if owed and owed[0].seq != self._sent + 1:
                        told = {"reason": "gap", "requests": await run_in_threadpool(self._client.snapshot)}
                        await self._send(protocol.frame("resync", told))
            except MeetingTasksError as error:  # the next word, or the next beat, brings it
                log.warning("an outbox could not be read", extra={"why": error.message})
                return
            for frame in owed:
                await self._send(protocol.kept(frame))
                self._sent = frame.seq
            if len(owed) < FRAMES_AT_ONCE:
                return

    async def _send(self, text: str) -> None:
        try:
            # not wait_for: Python 3.11's loses a cancellation that comes as the frame has gone
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise Close(1013, "the client does not read") from None


async def _read(websocket: WebSocket, client: Conversation) -> None:
    settings = websocket.app.state.fleet.settings
    allowance = Allowance(settings.api_rate_per_s, settings.api_burst)
    while True:
        frame: Any = {}
        try:
            frame = await read_frame(websocket)
            allowance.take()
            await run_in_threadpool(client.answer, protocol.read(frame))
        except MeetingTasksError as error:
            client.mailbox.answer(protocol.refusal(error, answers=protocol.id_of(frame)))
        except (Close, WebSocketDisconnect):
            raise
        except Exception:
            log.exception("a frame could not be answered", extra={"type": str(frame.get("type"))[:100]})
            failed = MeetingTasksError("an unexpected error; the log has it")
            client.mailbox.answer(protocol.refusal(failed, answers=protocol.id_of(frame)))


async def _until_first(*jobs: Any) -> None:
    """Run jobs until the first ends, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(websocket: WebSocket, close: Close) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            if close.code == 1012:  # noqa: PLR2004 - the code itself
                told = {"reason": close.reason, "reconnect_after_s": RECONNECT_AFTER_S}
                await websocket.send_text(protocol.frame("closing", told))
            await websocket.close(close.code, close.reason[:100])
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        log.debug("a client did not hear the end", extra={"code": close.code})
