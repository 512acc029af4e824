"""The open streams of events: each is a queue that other threads may fill, and all end when the server does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

#: what may wait for a slow reader; then the oldest goes, and the newest is never lost
MOST_WAITING: Final = 1000


class Stream(Generic[Item]):
    """What one reader is to be told."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[Item | None] = asyncio.Queue(MOST_WAITING)
        self.is_ended = False
        self.missed = 0

    def put(self, item: Item) -> None:
        """Tell something, from any thread."""
        self._call(item)

    def end(self) -> None:
        """Let the reader go, from any thread."""
        self.is_ended = True
        self._call(None)

    async def next(self, within_s: float) -> Item | None:
        """Return the next thing, or None after ``within_s`` or at the end (see ``is_ended``)."""
        if self.is_ended:
            return None
        try:
            return await asyncio.wait_for(self._items.get(), within_s)
        except TimeoutError:
            return None

    def drain(self) -> None:
        """Forget what waits now, for a reader that only wants to know that something came."""
        while not self._items.empty():
            self._items.get_nowait()

    def _call(self, item: Item | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, item)

    def _put(self, item: Item | None) -> None:
        if self._items.full():
            self._items.get_nowait()
            self.missed += 1
        self._items.put_nowait(item)


class Streams:
    """All streams of one server."""

    def __init__(self) -> None:
        self._open: set[Stream[object]] = set()
        self._lock = threading.Lock()
        self._is_ended = False

    @contextmanager
    def opened(self) -> Iterator[Stream[object]]:
        """Give a stream; it is forgotten at the end of the block."""
        stream: Stream[object] = Stream()
        with self._lock:
            self._open.add(stream)
            stream.is_ended = self._is_ended
        try:
            yield stream
        finally:
            with self._lock:
                self._open.discard(stream)

    def end_all(self) -> None:
        """End every stream, those too that are opened later. Safe in a signal's handler: it never waits for long."""
        self._is_ended = True
        for stream in list(self._open):
            stream.end()

    def __len__(self) -> int:
        return len(self._open)
