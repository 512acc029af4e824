"""One client's side of a connected session: answers its frames, follows its tasks, hears its meeting's events.

What the client is told once (answers, progress) goes into the mailbox; what it is owed (results, events) goes into the
session's outbox in Redis, from where the connection sends it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Final, cast
from uuid import uuid4

from meetingtasks.access import Principal, Scope
from meetingtasks.answers import translated
from meetingtasks.errors import Forbidden, InvalidPayload, TaskConflict, TaskNotFound
from meetingtasks.events import Event, RedisPubSubQueue
from meetingtasks.events.log import PLACE, EventLog
from meetingtasks.records import Progress, TaskRecord
from meetingtasks.sessions import protocol
from meetingtasks.sessions.mailbox import Mailbox
from meetingtasks.sessions.manager import ClientTaskManager
from meetingtasks.sessions.requests import ClientTaskResponse
from meetingtasks.store.sessions import OUTBOX_FRAMES, StoredSession

log = logging.getLogger(__name__)

Listen = Callable[[str], RedisPubSubQueue]
_TASK_EVENTS: Final = "task_events"


class Conversation:
    """Answers the frames of one connection, one after the other; ``listen(channel)`` lets its events be heard."""

    def __init__(
        self,
        manager: ClientTaskManager,
        held: StoredSession,
        authenticate: Callable[[], Principal],
        mailbox: Mailbox,
        *,
        listen: Listen,
    ) -> None:
        self.session_id = held.id
        self.user_id = held.user_id
        self.connection = uuid4().hex
        self.mailbox = mailbox
        self.authenticate = authenticate
        self._manager = manager
        self._meeting = None if held.meeting_id is None else str(held.meeting_id)
        self._who = authenticate()
        self._listen = listen
        self._following: dict[str, Callable[[], None]] = {}
        self._quiet: set[str] = set()  # requests without progress
        self._channels: set[str] = set()
        self._events = threading.Lock()  # held while a channel is read up, so that its events come in order

    def open(self) -> None:
        """Follow what the session has under way; what has ended meanwhile is owed now."""
        for request_id, task_id in self._manager.ends.settle(self.session_id).items():
            self._follow(request_id, task_id, progress=True)

    def close(self, why: str) -> None:
        """Stop following; the session and its tasks go on."""
        for stop in list(self._following.values()):
            stop()
        self._following.clear()
        self._channels.clear()
        self._manager.store.disconnect(self.session_id, self.connection, why)

    def answer(self, incoming: protocol.Incoming) -> None:
        """Do what a frame asks for and answer it; a MeetingTasksError is what the client is told instead."""
        handler = getattr(self, "_on_" + incoming.type.replace(".", "_"))
        with translated():
            handler(incoming.data, partial(self._reply, incoming.id))

    def snapshot(self) -> list[dict[str, Any]]:
        """Return where the session's open requests stand."""
        left = self._manager.store.open_requests(self.session_id)
        records = zip(left, self._manager.dispatcher.store.get_many(left.values()), strict=True)
        return [self._state(record, request_id) for request_id, record in records if record is not None]

    def _reply(self, answers: str | int | None, kind: str, data: Mapping[str, Any]) -> None:
        self.mailbox.answer(protocol.frame(kind, data, answers=answers))

    # -- frames -----------------------------------------------------------------------------------------------------

    def _on_hello(self, _data: protocol.Hello, _reply: Callable[..., None]) -> None:
        raise TaskConflict("hello was said before; a connection has one session")

    def _on_ping(self, _data: protocol.Nothing, reply: Callable[..., None]) -> None:
        reply("pong", {})

    def _on_ack(self, data: protocol.Ack, _reply: Callable[..., None]) -> None:
        self._manager.store.trim(self.session_id, data.seq)

    def _on_task_submit(self, data: protocol.Submit, reply: Callable[..., None]) -> None:
        self._who.check(Scope.TASKS_SUBMIT)
        if data.session_id not in (None, self.session_id):
            raise Forbidden("session_id is another session's; leave it out")
        accepted = self._manager.accept(data.model_copy(update={"session_id": self.session_id}))
        told = asdict(accepted)
        reply("task.accepted", told if accepted.duplicate else {k: v for k, v in told.items() if k != "duplicate"})
        # after the answer, so that it comes before the result
        if accepted.status.is_final:
            self._manager.ends.settle(self.session_id)
        else:
            self._follow(data.request_id, accepted.task_id, progress=data.subscribe)

    def _on_task_cancel(self, data: protocol.Which, reply: Callable[..., None]) -> None:
        self._who.check(Scope.TASKS_CANCEL)
        record = self._record(data)
        standing = self._manager.dispatcher.cancel(record.id, reason="by its client", actor=self._who.name)
        if standing not in ("cancelled", "running"):
            raise TaskConflict(f"task {record.id} is already {standing}", task_id=record.id)
        reply("task.cancelled", {"request_id": data.request_id, "task_id": record.id, "status": standing})

    def _on_task_get(self, data: protocol.Which, reply: Callable[..., None]) -> None:
        reply("task.state", self._state(self._record(data), data.request_id))

    def _on_subscribe(self, data: protocol.Interest, reply: Callable[..., None]) -> None:
        for channel in data.channels:
            self._check_channel(channel)
        records = [self._record(protocol.Which(task_id=task_id)) for task_id in [*data.tasks, *data.pipelines]]
        if len(self._following.keys() | {record.id for record in records}) > protocol.MOST_TASKS:
            raise _too_many()
        standing = {
            "tasks": [self._state(record, None) for record in records],
            "channels": sorted(self._channels | set(data.channels)),
        }
        reply("subscribed", standing)
        for record in records:
            self._watch(record.id)
        for channel in data.channels:
            self._hear_from(channel)

    def _on_unsubscribe(self, data: protocol.Interest, reply: Callable[..., None]) -> None:
        for task_id in (*data.tasks, *data.pipelines):
            self._leave(f"task:{task_id}", task_id)
        self._channels -= set(data.channels)
        reply("unsubscribed", {"channels": sorted(self._channels)})

    # -- tasks ------------------------------------------------------------------------------------------------------

    def _record(self, which: protocol.Which) -> TaskRecord:
        """Return a task that the client may see; TaskNotFound for others', as for none."""
        if (which.request_id is None) == (which.task_id is None):
            problem = "give either request_id or task_id"
            raise InvalidPayload(problem, fields=[{"field": "/request_id", "problem": problem}])
        if which.request_id is not None:
            task_id = self._manager.store.task_of(self.session_id, which.request_id)
            if task_id is None:
                raise TaskNotFound(f"there is no request {which.request_id!r}")
            return self._manager.dispatcher.get(task_id)
        self._who.check(Scope.TASKS_READ)
        record = self._manager.dispatcher.get(cast("str", which.task_id))
        if not self._who.sees(record):
            raise TaskNotFound(f"there is no task {which.task_id!r}", task_id=which.task_id)
        return record

    @staticmethod
    def _state(record: TaskRecord, request_id: str | None) -> dict[str, Any]:
        told = {"request_id": request_id, "task_id": record.id, "type": record.type, "status": record.state.value}
        if record.state.is_final:
            return told | {"response": ClientTaskResponse.of(request_id or "", record).as_dict()}
        return told | {"progress": _progress(record.progress)}

    def _follow(self, request_id: str, task_id: str, *, progress: bool) -> None:
        if request_id in self._following:
            return

        def on_end(_response: ClientTaskResponse) -> None:
            self._leave(request_id, task_id)
            self.mailbox.news()

        about = (self.session_id, request_id, task_id)
        if not progress:
            self._quiet.add(request_id)
        self._begin(request_id, task_id, request_id, partial(self._manager.ends.follow, *about, on_end=on_end))

    def _watch(self, task_id: str) -> None:
        """Follow a task that is no request of this session."""
        name = f"task:{task_id}"
        if name in self._following:
            return

        def on_end(record: TaskRecord) -> None:
            self._leave(name, task_id)
            payload = {"task_id": task_id, "task_type": record.type, "at_ms": record.ended_ms}
            data = {"channel": _TASK_EVENTS, "type": f"task.{record.state}", "payload": payload}
            self._owe(data, source=name, place=f"{record.ended_ms or 1}-1")

        self._begin(name, task_id, None, partial(self._manager.ends.watch, task_id, on_end=on_end))

    def _begin(
        self, name: str, task_id: str, request_id: str | None, follow: Callable[..., Callable[[], None]]
    ) -> None:
        """Begin to follow a task under a name; its end may be told before this is done."""
        self._following[name] = _nothing
        stop = follow(on_progress=partial(self._reached, name, task_id, request_id))
        if self._following.get(name) is _nothing:
            self._following[name] = stop
        else:
            stop()

    def _reached(self, name: str, task_id: str, request_id: str | None, reached: Progress) -> None:
        if name in self._following and name not in self._quiet:
            self.mailbox.progress(task_id, {"request_id": request_id, "task_id": task_id, **_progress(reached)})

    def _leave(self, name: str, task_id: str) -> None:
        self.mailbox.drop_progress(task_id)
        stop = self._following.pop(name, None)
        if stop is not None:
            stop()

    # -- events -----------------------------------------------------------------------------------------------------

    def _check_channel(self, channel: str) -> None:
        self._who.check(Scope.EVENTS_READ)
        if channel not in protocol.CHANNELS:
            problem = f"use some of {', '.join(sorted(protocol.CHANNELS))}"
            raise InvalidPayload(problem, fields=[{"field": "/channels", "problem": problem}])
        if self._meeting is None:
            raise Forbidden("events are those of the session's meeting, and it has none: say meeting_id in hello")

    def _hear_from(self, channel: str) -> None:
        """Hear a channel, from where the session has been told of it, or from now on."""
        events: EventLog = self._listen(channel).log
        with self._events:
            self._channels.add(channel)
            after = self._manager.store.place(self.session_id, channel)
            if after is None:
                place = str(events.extent(channel).last)
                self._manager.store.append(self.session_id, self.connection, {}, source=channel, place=place)
                return
            missed = list(events.since(channel, after))
            own = [event for event in missed if self._concerns(event)]
            if len(own) > OUTBOX_FRAMES:
                self.mailbox.answer(protocol.frame("resync", {"reason": "gap", "channel": channel}))
            for event in own[-OUTBOX_FRAMES:]:
                self._owe_event(channel, event)

    def hear(self, channel: str, event: Event) -> None:
        """Take an event of a channel; others' meetings are none of the client's business."""
        if channel in self._channels and self._concerns(event):
            with self._events:
                self._owe_event(channel, event)

    def _concerns(self, event: Event) -> bool:
        return event.meeting_id is not None and str(event.meeting_id) == self._meeting

    def _owe_event(self, channel: str, event: Event) -> None:
        if PLACE.fullmatch(event.message_id):  # what is not in the log, as progress, is told to subscribers of the task
            data = {"channel": channel, "type": event.type, "payload": event.payload, "message_id": event.message_id}
            self._owe(data, source=channel, place=event.message_id)

    def _owe(self, data: dict[str, Any], *, source: str, place: str) -> None:
        if self._manager.store.append(self.session_id, self.connection, data, source=source, place=place):
            self.mailbox.news()


def _nothing() -> None:
    """Stop nothing: what is to be stopped is about to begin."""


def _progress(reached: Progress) -> dict[str, Any]:
    names = ("percent", "step", "completed_steps", "total_steps", "message")
    return {name: getattr(reached, name) for name in names}


def _too_many() -> InvalidPayload:
    problem = f"at most {protocol.MOST_TASKS} tasks are followed at once"
    return InvalidPayload(problem, fields=[{"field": "/tasks", "problem": problem}])
