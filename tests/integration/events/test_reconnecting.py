"""What a subscriber hears when the server goes away, and what it is told of what it missed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meetingtasks.embedded import EmbeddedServer
from meetingtasks.events import Event, Gap, RedisPubSubQueue
from meetingtasks.store import keys
from tests.support.eventually import eventually

OpenBus = Callable[..., RedisPubSubQueue]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "data") as server:
        yield server


def note(bus: RedisPubSubQueue, *numbers: int) -> None:
    bus.publish_batch("meeting_events", [{"type": "noted", "payload": {"n": n}} for n in numbers])


def listening(open_bus: OpenBus, url: str) -> tuple[RedisPubSubQueue, list[int], list[Gap]]:
    heard: list[int] = []
    gaps: list[Gap] = []

    def keep(event: Event) -> None:
        heard.append(event.payload["n"])

    bus = open_bus(url, on_gap=gaps.append)
    bus.subscribe("meeting_events", keep)
    bus.start()
    return bus, heard, gaps


def cut(bus: RedisPubSubQueue) -> None:
    """Let the server end the subscriber's connection."""
    eventually(lambda: bus.log.client.client_kill_filter(_type="pubsub"))


def test_d2_09_what_was_published_while_the_connection_was_down_is_heard_once(
    open_bus: OpenBus, broker_url: str
) -> None:
    bus, heard, gaps = listening(open_bus, broker_url)
    note(bus, 0, 1)
    for first in range(2, 20, 2):
        cut(bus)
        note(bus, first, first + 1)  # nobody may listen at this moment
    eventually(lambda: heard == list(range(20)))
    assert gaps == []


def test_d2_09_what_the_log_no_longer_has_is_reported_with_its_number(open_bus: OpenBus, broker_url: str) -> None:
    bus, heard, gaps = listening(open_bus, broker_url)
    note(bus, 0, 1)
    eventually(lambda: heard == [0, 1])
    client = bus.log.client
    with client.pipeline(transaction=True) as pipe:  # in one step, so that no reconnection comes between
        pipe.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        for n in range(2, 7):
            pipe.xadd(keys.event_stream("meeting_events"), {"envelope": f'{{"type":"noted","payload":{{"n":{n}}}}}'})
        pipe.xtrim(keys.event_stream("meeting_events"), maxlen=2, approximate=False)
        pipe.execute()
    eventually(lambda: heard == [0, 1, 5, 6])
    eventually(lambda: len(gaps) == 1)
    assert (gaps[0].channel, gaps[0].missed) == ("meeting_events", 3)
    assert bus.get_stats()["gaps"] == 1


def test_d2_09_subscriptions_stand_again_after_a_restart_of_the_server(
    open_bus: OpenBus, own_server: EmbeddedServer
) -> None:
    bus, heard, gaps = listening(open_bus, own_server.url)
    note(bus, 0, 1)
    eventually(lambda: heard == [0, 1])
    own_server.stop()
    own_server.start()
    eventually(lambda: _noted(bus, 2), 30)
    eventually(lambda: heard == [0, 1, 2], 30)
    assert gaps == []


def test_d2_09_a_server_that_lost_its_log_is_a_gap_and_what_follows_is_heard(
    open_bus: OpenBus, broker_url: str
) -> None:
    bus, heard, gaps = listening(open_bus, broker_url)
    note(bus, 0, 1)
    eventually(lambda: heard == [0, 1])
    with bus.log.client.pipeline(transaction=True) as pipe:
        pipe.flushall()
        pipe.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        pipe.execute()
    eventually(lambda: len(gaps) == 1)
    assert gaps[0].missed is None
    note(bus, 2)
    eventually(lambda: heard == [0, 1, 2])


def test_what_is_emitted_while_the_server_is_away_is_published_when_it_is_back(
    open_bus: OpenBus, own_server: EmbeddedServer
) -> None:
    bus, heard, _ = listening(open_bus, own_server.url)
    own_server.stop()
    for n in range(5):
        assert bus.emit("meeting.started", {"n": n}) is True
    own_server.start()
    eventually(lambda: heard == list(range(5)), 30)


def test_a_bus_starts_and_stops_while_the_server_is_away(
    open_bus: OpenBus, own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetingtasks.events.redis.ANSWER_WITHIN_S", 0.2)
    url = own_server.url
    own_server.stop()
    bus, heard, _ = listening(open_bus, url)
    bus.stop()
    bus.start()
    own_server.start()
    eventually(lambda: _noted(bus, 1) and heard, 30, every_s=0.1)  # it hears from when its subscription stands


def _noted(bus: RedisPubSubQueue, number: int) -> bool:
    note(bus, number)
    return True
