"""What the routes work with: the dispatcher and its neighbours, opened with the application and closed with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from meetingtasks.access import ApiKeys
from meetingtasks.api.streams import Streams
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.progress_watch import ProgressWatch
from meetingtasks.queues import Queues
from meetingtasks.settings import Settings
from meetingtasks.store.api_keys import ApiKeyStore
from meetingtasks.store.runs import RunStore


@dataclass(frozen=True)
class Fleet:
    """An open connection to a fleet."""

    settings: Settings
    dispatcher: TaskDispatcher
    queues: Queues
    runs: RunStore
    keys: ApiKeys
    progress: ProgressWatch
    streams: Streams

    @classmethod
    def open(cls, settings: Settings, streams: Streams) -> Self:
        """Connect; the broker may be away. ``streams`` end when the server does, before the fleet is closed."""
        dispatcher = TaskDispatcher(settings=settings)
        client = dispatcher.store.client
        return cls(
            settings=settings,
            dispatcher=dispatcher,
            queues=Queues(settings),
            runs=RunStore(client, record_ttl_s=settings.record_ttl_s),
            keys=ApiKeys(ApiKeyStore(client)),
            progress=ProgressWatch(dispatcher.store),
            streams=streams,
        )

    def close(self) -> None:
        """End its threads and connections."""
        self.progress.stop()
        self.dispatcher.stop()


def _fleet(request: Request) -> Fleet:
    found: Fleet = request.app.state.fleet
    return found


FleetOf = Annotated[Fleet, Depends(_fleet)]
