"""The client sessions on one server: who is connected, which requests hold a slot, and the frames that are owed.

Every change is one script, so a process that dies between two of them leaves a session that any other takes on: a
claimed request without a task holds its slot for a minute, a task that has ended holds none, and a final frame is there
or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.scripts import load

#: frames that are kept for a client that is away
OUTBOX_FRAMES: Final = 500
#: a claim whose task does not appear holds its slot for so long
CLAIM_MS: Final = 60_000
LOG_KEPT_S: Final = 86_400
Key = int | str | None


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """One session as it is kept."""

    id: str
    user_id: Key
    meeting_id: Key
    digest: str
    created_ms: int
    seq: int
    connection: str


@dataclass(frozen=True)
class Claim:
    """What asking for a slot came to."""

    outcome: Literal["new", "duplicate", "conflict", "busy", "gone"]
    task_id: str = ""
    position: int = 0
    retry_after_ms: int = 0


@dataclass(frozen=True)
class Frame:
    """One frame that the client is owed."""

    seq: int
    type: str
    ts_ms: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Word:
    """A session's outbox or connection has changed; ``connection`` is the one it has now, if any."""

    session_id: str
    connection: str


class SessionStore:
    """The sessions of one fleet."""

    def __init__(self, client: Client) -> None:
        self.client = client

    # -- life -------------------------------------------------------------------------------------------------------

    def register(self, session_id: str, user_id: Key, meeting_id: Key, *, digest: str) -> bool:
        """Begin a session or find it again; False when another user or meeting has it."""
        reply = load("session_register")(
            self.client,
            [keys.session(session_id), keys.SESSIONS, keys.session_log(session_id)],
            [session_id, json.dumps(user_id), json.dumps(meeting_id), digest],
        )
        return bool(reply != "taken")

    def get(self, session_id: str) -> StoredSession | None:
        """Read a session, or None."""
        stored = self.client.hgetall(keys.session(session_id))
        if not stored:
            return None
        return StoredSession(
            id=session_id,
            user_id=json.loads(stored["user"]),
            meeting_id=json.loads(stored["meeting"]),
            digest=stored["digest"],
            created_ms=int(stored["created_ms"]),
            seq=int(stored["seq"]),
            connection=stored.get("connection", ""),
        )

    def connect(self, session_id: str, connection: str) -> bool:
        """Make a connection the session's only one; False when there is no such session."""
        about = [keys.session(session_id), keys.SESSIONS, keys.session_log(session_id)]
        return bool(load("session_connect")(self.client, about, [session_id, connection, keys.SESSION_WORDS]))

    def disconnect(self, session_id: str, connection: str, why: str) -> None:
        """Note that a connection is gone."""
        about = [keys.session(session_id), keys.SESSIONS, keys.session_log(session_id)]
        load("session_disconnect")(self.client, about, [session_id, connection, why])

    def touch(self, session_id: str) -> str | None:
        """Give a sign of life; returns the session's connection (empty: none), None when the session is gone."""
        reply = load("session_touch")(self.client, [keys.session(session_id), keys.SESSIONS], [session_id])
        return None if reply == "gone" else str(reply)

    def end(self, session_id: str, why: str, *, if_before_ms: int | None = None) -> bool:
        """End a session; with ``if_before_ms`` only one that is silent since then and has no live task."""
        reply = load("session_end")(
            self.client,
            [
                *(keys.session(session_id), keys.session_requests(session_id), keys.session_open(session_id)),
                *(keys.session_outbox(session_id), keys.SESSIONS, keys.session_log(session_id), keys.SESSION_COUNTS),
            ],
            [session_id, why, "" if if_before_ms is None else if_before_ms, LOG_KEPT_S, keys.SESSION_WORDS],
        )
        return bool(reply == "ended")

    def ids(self, *, before_ms: int | None = None) -> list[str]:
        """Return the sessions' ids; ``before_ms``: only of those that gave no sign of life since."""
        return list(self.client.zrangebyscore(keys.SESSIONS, "-inf", "+inf" if before_ms is None else f"({before_ms}"))

    # -- requests ---------------------------------------------------------------------------------------------------

    def claim(self, session_id: str, request_id: str, *, task_id: str, digest: str, slots: int) -> Claim:
        """Ask for a slot for a request, under the task id that it is to have."""
        reply = load("session_claim")(
            self.client,
            [
                *(keys.session(session_id), keys.session_requests(session_id), keys.session_open(session_id)),
                *(keys.SESSIONS, keys.SESSION_COUNTS, keys.session_log(session_id)),
            ],
            [session_id, request_id, task_id, digest, slots, CLAIM_MS],
        )
        if reply[0] == "busy":
            return Claim("busy", position=int(reply[1]), retry_after_ms=int(reply[2]))
        return Claim(*reply)

    def release(self, session_id: str, request_id: str, *, task_id: str, why: str) -> None:
        """Take back the claim of a request that was refused."""
        about = [keys.session_requests(session_id), keys.session_open(session_id)]
        about += [keys.SESSION_COUNTS, keys.session_log(session_id)]
        load("session_release")(self.client, about, [request_id, task_id, why])

    def task_of(self, session_id: str, request_id: str) -> str | None:
        """Return the task of a request, or None."""
        text = self.client.hget(keys.session_requests(session_id), request_id)
        return None if text is None else str(json.loads(text)["task"])

    def open_requests(self, session_id: str) -> dict[str, str]:
        """Return request id -> task id of those whose final frame is not written."""
        return cast("dict[str, str]", self.client.hgetall(keys.session_open(session_id)))

    # -- frames -----------------------------------------------------------------------------------------------------

    def conclude(self, session_id: str, request_id: str, data: dict[str, Any], *, duration_ms: int) -> bool:
        """Write a request's final frame; False when it was written before, or the session is gone."""
        reply = load("session_conclude")(
            self.client,
            [
                *(keys.session(session_id), keys.session_open(session_id), keys.session_outbox(session_id)),
                *(keys.SESSION_COUNTS, keys.session_log(session_id), keys.SESSIONS),
            ],
            [
                *(session_id, request_id, data["status"], json.dumps(data, ensure_ascii=False), duration_ms),
                *(OUTBOX_FRAMES, keys.SESSION_WORDS),
            ],
        )
        return bool(reply)

    def append(self, session_id: str, connection: str, data: dict[str, Any], *, source: str, place: str) -> bool:
        """Owe the client an event once; False when it was, or when another connection has the session.

        Without data, the source's events are owed from that place on, unless they are from an earlier one.
        """
        about = [keys.session(session_id), keys.session_outbox(session_id)]
        text = json.dumps(data, ensure_ascii=False) if data else ""
        return bool(load("session_append")(self.client, about, [connection, source, place, text, OUTBOX_FRAMES]))

    def place(self, session_id: str, source: str) -> str | None:
        """Return the place of the last event of a source that the client is owed."""
        return cast("str | None", self.client.hget(keys.session(session_id), f"at:{source}"))

    def frames(self, session_id: str, after: int, *, limit: int) -> list[Frame]:
        """Return the kept frames after a seq, oldest first."""
        entries = self.client.xrange(keys.session_outbox(session_id), f"({after}-0", "+", count=limit)
        return [
            Frame(int(place.partition("-")[0]), stored["type"], int(stored["ts"]), json.loads(stored["data"]))
            for place, stored in entries
        ]

    def trim(self, session_id: str, seq: int) -> None:
        """Drop the frames up to a seq: the client has them."""
        self.client.xtrim(keys.session_outbox(session_id), minid=f"{seq + 1}-0", approximate=False)

    # -- looking ----------------------------------------------------------------------------------------------------

    def log(self, session_id: str) -> list[dict[str, Any]]:
        """Return what a session did, oldest first: ``event``, ``at_ms`` and what it was about."""
        return [json.loads(line) for line in self.client.lrange(keys.session_log(session_id), 0, -1)]

    def counts(self) -> dict[str, int]:
        """Return total_requests, total_success, total_failed and active_sessions, over all processes."""
        stored = self.client.hgetall(keys.SESSION_COUNTS)
        totals = {name: int(stored.get(name, 0)) for name in ("total_requests", "total_success", "total_failed")}
        return {**totals, "active_sessions": int(self.client.zcard(keys.SESSIONS))}

    def words(self, within_s: float) -> Iterator[Word | None]:
        """Yield the words of all sessions as they come; None once they are heard, and after ``within_s`` without."""
        with self.client.pubsub(ignore_subscribe_messages=False) as pubsub:
            pubsub.subscribe(keys.SESSION_WORDS)
            while True:
                message = pubsub.get_message(timeout=within_s)
                if message is None or message["type"] != "message":
                    yield None
                else:
                    session_id, _, connection = message["data"].rpartition(" ")
                    yield Word(session_id, connection)
