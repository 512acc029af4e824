"""The clients that are connected to this process: wakes each when its outbox has more, and parts with those it lost.

One thread hears the words of all sessions of the fleet. A word is only a hint: after each reconnection every client's
outbox is looked at, and so it is every 30 s, when each session gets its sign of life and each token is checked again.
"""

from __future__ import annotations

import logging
import threading
from typing import Final, Self

from meetingtasks.answers import translated
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import BrokerUnavailable, Unauthorized
from meetingtasks.events import Event, RedisPubSubQueue
from meetingtasks.sessions.conversation import Conversation
from meetingtasks.sessions.duty import Duty
from meetingtasks.sessions.manager import ClientTaskManager
from meetingtasks.settings import Settings
from meetingtasks.store.sessions import Word

log = logging.getLogger(__name__)

BEAT_S: Final = 30.0
POLL_S: Final = 0.2
RETRY_S: Final = 0.5
TAKEN_OVER: Final = (4409, "a newer connection has this session")
ENDED: Final = (1000, "the session has ended")
RESTART: Final = (1012, "the server restarts")


class Hub:
    """The connected clients of one process and what serves them. Thread-safe."""

    def __init__(self, dispatcher: TaskDispatcher, settings: Settings) -> None:
        self.manager = ClientTaskManager(dispatcher, settings=settings)
        self._bus = RedisPubSubQueue(dispatcher.store.client)
        self._clients: dict[str, Conversation] = {}
        self._heard_channels: set[str] = set()
        self._lock = threading.Lock()
        self._beat = Duty(self.beat, every_s=BEAT_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meetingtasks-session-words", daemon=True)

    def start(self) -> Self:
        """Begin to hear; the server may be away."""
        self.manager.start()
        self._beat.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Let all clients go, and end the threads."""
        self.close_all()
        self._stopping.set()
        self._thread.join()
        self._beat.stop()
        self._bus.stop()
        self.manager.stop()

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, client: Conversation) -> bool:
        """Take a client in, on this session's only connection; False when the session has ended meanwhile."""
        with self._lock:
            before, self._clients[client.session_id] = self._clients.get(client.session_id), client
        if before is not None:
            before.mailbox.close(*TAKEN_OVER)
        return self.manager.store.connect(client.session_id, client.connection)

    def leave(self, client: Conversation) -> None:
        """Forget a client."""
        with self._lock:
            if self._clients.get(client.session_id) is client:
                del self._clients[client.session_id]

    def close_all(self) -> None:
        """Ask every client to come again, to another process. Safe in a signal's handler."""
        for client in list(self._clients.values()):
            client.mailbox.close(*RESTART)

    def listen(self, channel: str) -> RedisPubSubQueue:
        """Hear a channel for the clients that want it; returns the bus."""
        with self._lock:
            fresh = channel not in self._heard_channels
            self._heard_channels.add(channel)
        if fresh:
            self._bus.subscribe(channel, lambda event: self._hear(channel, event))
            self._bus.start()
        return self._bus

    def beat(self) -> None:
        """Give each session its sign of life, and part with clients whose token or session is gone."""
        for client in list(self._clients.values()):
            try:
                client.authenticate()
            except Unauthorized as error:
                client.mailbox.close(4401, error.message)
            self._check(client)

    def _check(self, client: Conversation) -> None:
        connection = self.manager.store.touch(client.session_id)
        if connection is None:
            client.mailbox.close(*ENDED)
        elif connection != client.connection:
            client.mailbox.close(*TAKEN_OVER)
        else:
            client.mailbox.news()

    def _hear(self, channel: str, event: Event) -> None:
        for client in list(self._clients.values()):
            client.hear(channel, event)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with translated():
                    self._listen()
            except BrokerUnavailable as error:
                log.warning("the sessions' words are not heard; trying again", extra={"why": str(error)})
                self._stopping.wait(RETRY_S)

    def _listen(self) -> None:
        is_heard = False
        for word in self.manager.store.words(POLL_S):
            if self._stopping.is_set():
                return
            if word is not None:
                self._take(word)
            elif not is_heard:
                is_heard = True
                for client in list(self._clients.values()):  # words may have been missed
                    client.mailbox.news()

    def _take(self, word: Word) -> None:
        client = self._clients.get(word.session_id)
        if client is None:
            return
        if word.connection == client.connection:
            client.mailbox.news()
        else:
            self._check(client)
