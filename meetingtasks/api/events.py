"""Progress as it comes: server-sent events of one task or run, until its end.

Each event is the whole of what is known, so a reader that lost some has lost nothing; its id is that state's mark. A
reader that comes back with ``Last-Event-ID`` gets the state at once when it is another one, and 204 when it had the
final one already, which tells browsers to stop coming back. The fleet's word of progress is only a hint to look: the
record is looked at with every heartbeat too, so the end is not missed when that word is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from meetingtasks.api import runs
from meetingtasks.api.fleet import Fleet, FleetOf
from meetingtasks.api.guard import TasksReader
from meetingtasks.api.problems import documented
from meetingtasks.api.runs import RunView
from meetingtasks.api.streams import Stream
from meetingtasks.api.tasks import own
from meetingtasks.api.views import TaskView
from meetingtasks.errors import MeetingTasksError

router = APIRouter(tags=["events"])

#: proxies drop a connection on which nothing comes for a minute
HEARTBEAT_S: Final = 15.0
#: how soon a reader should come back
RETRY_MS: Final = 2000
#: words of progress that come closer together are one event
TOGETHER_S: Final = 0.1
#: then the first look at the record comes after the first word could have been missed
HEARD_WITHIN_S: Final = 2.0
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event that came")]
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Events `progress` and at last `end`"},
    204: {"description": "The final event was heard already"},
    **documented(401, 403, 404, 503),
}
Shown = TaskView | RunView


class EventStream(StreamingResponse):
    """A stream of server-sent events."""

    media_type = "text/event-stream"


@router.get("/tasks/{task_id}/events", response_class=EventStream, responses=_ANSWERS)
async def task_events(task_id: str, who: TasksReader, fleet: FleetOf, last_event_id: LastEventId = None) -> Response:
    """Tell a task's progress as it comes, and its end."""
    return await _told(fleet, task_id, lambda: TaskView.of(own(fleet, who, task_id)), last_event_id)


@router.get("/runs/{run_id}/events", response_class=EventStream, responses=_ANSWERS)
async def run_events(run_id: str, who: TasksReader, fleet: FleetOf, last_event_id: LastEventId = None) -> Response:
    """Tell a run's stages and percent as they come, and its end."""
    return await _told(fleet, run_id, lambda: runs.look(fleet, who, run_id), last_event_id)


async def _told(fleet: Fleet, task_id: str, look: Callable[[], Shown], last_event_id: str | None) -> Response:
    seen = await run_in_threadpool(look)  # what may not be seen is refused before the stream begins
    if seen.status.is_final and _mark(seen) == last_event_id:
        return Response(status_code=204)
    return EventStream(_events(fleet, task_id, look, last_event_id))


async def _events(
    fleet: Fleet, task_id: str, look: Callable[[], Shown], last_event_id: str | None
) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    with fleet.streams.opened() as stream:
        subscription = fleet.progress.subscribe(task_id, stream.put)
        try:
            await run_in_threadpool(fleet.progress.is_heard, subscription, HEARD_WITHIN_S)
            async for text in _states(stream, look, last_event_id):
                yield text
        finally:
            fleet.progress.unsubscribe(task_id, subscription)


async def _states(stream: Stream[object], look: Callable[[], Shown], last_event_id: str | None) -> AsyncIterator[str]:
    while not stream.is_ended:
        try:
            seen = await run_in_threadpool(look)
        except MeetingTasksError:  # the broker is away, or the record's time is over: the reader comes back and is told
            return
        if seen.status.is_final:
            yield _event("end", seen)
            return
        mark = _mark(seen)
        yield ": nothing new\n\n" if mark == last_event_id else _event("progress", seen)
        last_event_id = mark
        if await stream.next(HEARTBEAT_S) is not None:
            await asyncio.sleep(TOGETHER_S)
            stream.drain()


def _event(name: str, shown: BaseModel) -> str:
    return f"id: {_mark(shown)}\nevent: {name}\ndata: {shown.model_dump_json()}\n\n"


def _mark(shown: BaseModel) -> str:
    """Return the same for the same state, in any process."""
    return hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:16]
