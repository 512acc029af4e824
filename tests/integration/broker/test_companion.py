"""A companion's record and the message's move are one transaction."""

from contextlib import suppress
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Producer

from meetingtasks.broker import LeaseQueue, Quarantine, install
from meetingtasks.broker.scripts import known
from tests.support.eventually import eventually
from tests.unit.broker.malformed import task


class Ledger:
    """Writes each message's fate to a hash."""

    def on_enqueue(self, pipe: Any, message: dict[str, Any]) -> None:
        message["headers"].pop("private", None)
        pipe.hset("ledger", message["headers"]["id"], "accepted")

    def on_dead(self, pipe: Any, message: dict[str, Any], reason: str) -> None:
        pipe.hset("ledger", message["headers"]["id"], reason)

    def on_expired(self, pipe: Any, message: dict[str, Any]) -> None:
        pipe.hset("ledger", message["headers"]["id"], "expired")


class Side:
    """A producer and a consumer in this process."""

    def __init__(self, client: redis.Redis, url: str, **options: Any) -> None:
        install()
        self.client = client
        self.connection = Connection(url, transport_options={"companion": Ledger(), **options})
        self.queue = LeaseQueue(client, "celery")
        self.messages: list[Any] = []

    def send(self, task_id: str, producer: Producer | None = None, **parts: Any) -> None:
        message = task(id=task_id, **parts)
        producer = producer or Producer(self.connection.default_channel)
        body = [[1], {}, {}]
        producer.publish(body, routing_key="celery", headers=message["headers"], serializer="json", priority=6)

    def consume(self) -> Consumer:
        channel = self.connection.default_channel
        channel.basic_qos(0, 10)
        consumer = Consumer(channel, [self.connection.SimpleQueue("celery").queue], on_message=self.messages.append)
        consumer.consume()
        return consumer

    def drain(self, until: Any) -> None:
        def done() -> bool:
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=0.05)
            return bool(until())

        eventually(done)

    def ledger(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.client.hgetall("ledger").items()}


@pytest.fixture
def side(redis_url: str, broker_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        opened = Side(client, broker_url)
        yield opened
        opened.connection.close()


def test_a_message_and_its_record_are_born_together(side: Side) -> None:
    side.send("a", private="between us")
    assert side.ledger() == {"a": "accepted"}
    (stored,) = side.queue.peek()
    assert b"between us" not in stored.payload


def test_a_batch_is_one_transaction(side: Side) -> None:
    producer = Producer(side.connection.default_channel)
    before = side.client.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]
    with producer.batch(max_size=50):
        for i in range(100):
            side.send(f"b{i}", producer)
    assert side.client.info("commandstats")["cmdstat_exec"]["calls"] - before == 2
    assert len(side.ledger()) == 100
    assert [stored.id for stored in side.queue.peek(200)] == [f"b{i}:0" for i in range(100)]


def test_scripts_that_somebody_flushed_are_no_obstacle(side: Side) -> None:
    side.send("a")
    side.client.script_flush()
    side.send("b")
    assert side.ledger() == {"a": "accepted", "b": "accepted"}
    assert side.queue.size().total_ready == 2
    assert len(known()) > 10


def test_a_rejected_message_is_dead_in_both_places(side: Side) -> None:
    side.send("a")
    side.consume()
    side.drain(lambda: side.messages)
    side.messages[0].reject()
    assert side.ledger() == {"a": "rejected"}
    assert side.queue.explain("a:0").reason == "rejected"


def test_a_message_given_back_too_often_is_dead_in_both_places(side: Side) -> None:
    side.send("a")
    side.consume()
    for times in (1, 2, 3):
        side.drain(lambda times=times: len(side.messages) == times)
        side.messages[-1].requeue()
    assert side.ledger() == {"a": "worker_lost"}
    assert side.queue.size().dead == 1


def test_an_expired_message_ends_in_the_record(side: Side) -> None:
    side.send("a", expires="2020-01-01T00:00:00+00:00")
    side.send("b")
    side.consume()
    side.drain(lambda: side.messages)
    assert [message.headers["id"] for message in side.messages] == ["b"]
    assert side.ledger() == {"a": "expired", "b": "accepted"}


def test_a_malformed_message_ends_in_the_record(side: Side) -> None:
    side.send("a", timelimit=[-5, None])
    side.consume()
    side.drain(lambda: Quarantine(side.client).size())
    assert side.ledger() == {"a": "malformed: timelimit is out of range"}


def test_an_unknown_type_is_put_back_for_a_while_and_then_dead(redis_url: str, broker_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        side = Side(client, broker_url, known_type=lambda name: name == "known", unknown_type_s=10)
        side.send("a", task="unheard.of")
        side.send("b", task="known")
        side.consume()
        for deferral in (1, 2):
            side.drain(lambda: side.queue.size().delayed == 1)
            assert side.queue.explain("a:0").message.deferrals == deferral
            client.zadd(side.queue.keys.delayed, {"a:0": 1})
        side.drain(lambda: side.queue.size().dead == 1)
        assert side.ledger() == {"a": "unknown_type", "b": "accepted"}
        assert [message.headers["id"] for message in side.messages] == ["b"]
        side.connection.close()
