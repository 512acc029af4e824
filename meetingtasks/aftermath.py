"""Tells those who wait behind a task that it ended in the broker, where no worker spoke for it.

A task whose worker died too often, whose start-by time passed or whose type nobody knew ends together with its
message. Its chord, the rest of its chain and its errbacks hear of ends from whoever runs a task, and here nobody does.
So the end is *owed*: noted in the transaction that ends the task, and told by any worker within a second. A worker that
dies while it tells leaves the note to the next: a chord counts an end that it knows once, an errback may come again.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from typing import Any, Final, cast

from celery import Celery, states
from celery.app.task import Context
from celery.signals import worker_ready, worker_shutdown
from redis.client import Pipeline

from meetingtasks.backend import TaskStoreBackend
from meetingtasks.broker import envelope
from meetingtasks.failures import classify
from meetingtasks.states import ErrorClass
from meetingtasks.store import keys
from meetingtasks.store.scripts import load

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
TELLING_MS: Final = 30_000
CONTENT_TYPES: Final = ("application/json",)
WAITING: Final = ("chord", "chain", "errbacks")
HEADERS: Final = ("id", "task", "group", "group_index", "root_id", "parent_id", "retries", "origin")


def owe(pipe: Pipeline, message: dict[str, Any]) -> None:
    """Add the note to the transaction that ends a message's task, when anybody waits behind it."""
    with suppress(envelope.Malformed, KeyError, TypeError):  # nobody can read who waits for it
        embedded = envelope.check_task(message, CONTENT_TYPES)[2]
        if any(embedded.get(name) for name in WAITING):
            headers = {name: message["headers"].get(name) for name in HEADERS}
            load("owe").put_on(pipe, [keys.OWED], [json.dumps({**headers, **embedded})])


def tell(app: Celery) -> int:
    """Tell what is owed, unless another worker is at it, and return how many ends.

    A connection's error leaves the rest owed; anything else that goes wrong with one end is logged.
    """
    backend = cast("TaskStoreBackend", app.backend)
    client, told = backend.store.client, 0
    if not client.llen(keys.OWED) or not client.set(keys.TELLING, "1", px=TELLING_MS, nx=True):
        return 0
    while (note := client.lindex(keys.OWED, 0)) is not None:
        try:
            _tell(backend, json.loads(note))
        except Exception as error:
            if classify(error) is ErrorClass.NETWORK:
                raise
            log.exception("an end could not be told to those who wait behind its task")
        client.lrem(keys.OWED, 1, note)
        told += 1
    client.delete(keys.TELLING)
    return told


def _tell(backend: TaskStoreBackend, owed: dict[str, Any]) -> None:
    request = Context({**owed, "delivery_info": {}})
    # the end that stands in the record: an earlier delivery may have had another
    meta = backend.get_task_meta(owed["id"], cache=False)
    if meta["status"] == states.FAILURE:
        backend.mark_as_failure(owed["id"], meta["result"], request=request)
    elif owed.get("chord") and meta["status"] in states.READY_STATES:
        backend.on_chord_part_return(request, meta["status"], meta["result"])


@worker_ready.connect
def look_while_working(sender: Any, **_: Any) -> None:
    """Let a worker of ours look for owed ends, in a thread: its event loop must not wait for the store."""
    if "meetingtasks_store_url" not in sender.app.conf:
        return
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.wait(LOOK_EVERY_S):
            look(sender.app)

    threading.Thread(target=loop, name="aftermath", daemon=True).start()
    worker_shutdown.connect(lambda **_: stopping.set(), weak=False)


def look(app: Celery) -> None:
    """Tell what is owed; while the store is away it waits."""
    try:
        tell(app)
    except Exception as error:
        log.warning("what is owed to chords and chains is told later", extra={"why": str(error)})
        if classify(error) is not ErrorClass.NETWORK:
            log.exception("looking for it failed, and is tried again")
