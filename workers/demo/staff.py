"""The demonstration's fleet: a private server and the three services that make minutes, for as long as it lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from meetingtasks import settings as settings_module
from meetingtasks.cli import services
from meetingtasks.cli.fleet import Fleet, wait_until_ready
from meetingtasks.cli.server_file import AlreadyRunning, ServerFile
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import MeetingTasksError
from meetingtasks.processes import ProcessGroup, RestartPolicy
from meetingtasks.store.runs import RunStore
from workers.demo.place import Place

#: a worker that cannot start at all is given up after seconds
RESTART = RestartPolicy(first_s=0.5, give_up_after=4)
LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Staff:
    """Running workers and the connection to them."""

    fleet: Fleet
    group: ProcessGroup
    place: Place
    ended: threading.Event  # the group has given its workers up

    def check(self) -> None:
        """Raise MeetingTasksError with the end of the log when no worker will run any more."""
        if self.ended.is_set():
            raise no_workers(self.place)


@contextmanager
def staff(place: Place) -> Iterator[Staff]:
    """Start the server and the workers, and wait until they are ready; everything ends with the block."""
    with EmbeddedServer(place.server) as server, place.log.open("a", encoding="utf-8") as log:
        # whatever else is set in this environment, a demonstration touches no other server
        overrides = {"broker_url": server.url, "store_url": server.url, "storage_root": place.storage}
        settings = settings_module.load(**overrides)
        environment = {"MT_STORE_URL": server.url, "MT_STORAGE_ROOT": str(place.storage), "MT_LOG_FORMAT": "text"}
        programs = [
            services.worker_program("ai", server.url, "-c", str(services.available_cores()), environment=environment),
            services.worker_program("media", server.url, "-c", "1", environment=environment),
            services.worker_program("meeting", server.url, "-c", "2", "-P", "threads", environment=environment),
        ]
        with (
            ProcessGroup(programs, restart=RESTART, stream=log, colour=False) as group,
            TaskDispatcher(settings=settings) as dispatcher,
            _findable(server.url),
        ):
            ended = threading.Event()
            threading.Thread(target=_tell_end, args=(group, ended), name="end of the workers", daemon=True).start()
            try:
                wait_until_ready(dispatcher, len(programs), alive=lambda: not ended.is_set())
            except MeetingTasksError as error:
                raise no_workers(place) from error
            yield Staff(Fleet(dispatcher, RunStore(dispatcher.store.client)), group, place, ended)


@contextmanager
def _findable(url: str) -> Iterator[None]:
    """Let ``meetingtasks status`` in another terminal find this server, unless a running fleet has that place."""
    try:
        note = ServerFile().__enter__()
    except (AlreadyRunning, OSError):
        yield
        return
    try:
        note.write(url)
        yield
    finally:
        note.__exit__()


def _tell_end(group: ProcessGroup, ended: threading.Event) -> None:
    group.wait()
    ended.set()


def no_workers(place: Place) -> MeetingTasksError:
    """Build the error for workers that do not work, with the end of what they printed."""
    tail = place.log.read_text("utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return MeetingTasksError("\n".join(["the workers do not work; the end of their log:", *tail]), code="workers_ended")
