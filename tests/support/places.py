"""Whether records and messages agree in a store at rest: each live task has one message in one place."""

from collections.abc import Iterator

from meetingtasks.broker.client import Client
from meetingtasks.broker.keys import QueueKeys
from meetingtasks.store import keys
from meetingtasks.submission import task_id_of

DIGITS_OF_A_SEQUENCE = 16


def half_states(client: Client, queue: str) -> list[str]:
    """Return what is there by half, in words, of the tasks of the store's only queue; ``client`` decodes nothing."""
    return [*_of_records(client, queue), *_of_places(client, QueueKeys(queue))]


def _of_records(client: Client, queue: str) -> Iterator[str]:
    live = {name.decode() for name in client.zrange(keys.LIVE, 0, -1)}
    records = {key.decode().removeprefix(keys.task("")) for key in client.scan_iter(keys.task("*"), count=1000)}
    messages = [task_id_of(name.decode()) for name in client.hkeys(QueueKeys(queue).messages)]
    yield from (f"{name} is live and has no record" for name in live - records)
    yield from (f"{name} is live and has no message" for name in live - set(messages))
    yield from (f"{name} has a message and is not live" for name in set(messages) - live)
    yield from (f"{name} has {messages.count(name)} messages" for name in set(messages) if messages.count(name) > 1)
    accepted = int(client.hget(keys.COUNTS, "dispatched") or 0)
    if accepted != len(records):
        yield f"{accepted} tasks were counted and {len(records)} have records"


def _of_places(client: Client, queue: QueueKeys) -> Iterator[str]:
    messages = set(client.hkeys(queue.messages))
    ready = [member[DIGITS_OF_A_SEQUENCE:] for member in client.zrange(queue.ready, 0, -1)]
    leased = [member.partition(b" ")[2] for member in client.zrange(queue.leases, 0, -1)]
    placed = [*ready, *leased, *client.zrange(queue.delayed, 0, -1)]
    yield from (f"message {name!r} is in {placed.count(name)} places" for name in messages if placed.count(name) != 1)
    yield from (f"a place holds {name!r}, which is no message" for name in set(placed) - messages)
    tokens = client.llen(queue.list)
    if tokens != len(ready):
        yield f"{tokens} tokens for {len(ready)} ready messages"
