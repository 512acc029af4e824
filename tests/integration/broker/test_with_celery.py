"""What Celery promises works over the lease transport, on each pool."""

import time

from celery import chain, chord, group
from kombu import Exchange, Queue

from meetingtasks.broker.keys import QueueKeys
from tests.integration.broker.fleet import APP, Fleet
from tests.support.eventually import eventually


def signature(fleet: Fleet, name: str, *args: object) -> object:
    return fleet.app.signature(f"{APP}.{name}", args=args)


def test_a_task_runs_and_its_result_arrives(pooled: Fleet) -> None:
    assert pooled.send("add", 1, 2).get(timeout=10) == 3


def test_countdown_is_kept_by_the_broker_and_exact(pooled: Fleet) -> None:
    before = time.time()
    result = pooled.send("add", 40, 2, countdown=0.7)
    assert pooled.queue().size().delayed == 1
    assert result.get(timeout=10) == 42
    started = next(float(line.split()[0]) for line in pooled.lines() if line.endswith("add 40 2"))
    assert 0.69 <= started - before < 0.95


def test_retries_wait_in_the_broker(pooled: Fleet) -> None:
    assert pooled.send("succeed_at", 2).get(timeout=10) == 2


def test_canvas(pooled: Fleet) -> None:
    add = lambda *args: signature(pooled, "add", *args)  # noqa: E731 - read as the word it is
    assert chain(add(1, 1), add(5), app=pooled.app).apply_async().get(timeout=10) == 7
    assert group([add(i, 1) for i in range(5)], app=pooled.app).apply_async().get(timeout=10) == [1, 2, 3, 4, 5]
    header = [add(i, i) for i in range(10)]
    assert chord(header, signature(pooled, "total"), app=pooled.app).apply_async().get(timeout=10) == 90


def test_an_expired_task_never_starts(pooled: Fleet) -> None:
    pooled.send("add", 500, 5, countdown=0.3, expires=0.1)
    eventually(lambda: pooled.queue().size().counters["expired"] >= 1)
    assert "add 500 5" not in pooled.written()


def test_inspect_answers_each_time(pooled: Fleet) -> None:
    # a worker may say that it is ready a moment before it listens to remote control
    eventually(lambda: pooled.app.control.inspect(timeout=0.5, limit=1).ping())
    inspect = pooled.app.control.inspect(timeout=20, limit=1)
    assert [len(inspect.ping() or {}) for _ in range(3)] == [1, 1, 1]
    (queues,) = inspect.active_queues().values()
    assert [queue["name"] for queue in queues] == ["celery"]


def test_consumers_come_and_go_while_the_worker_runs(pooled: Fleet) -> None:
    queue = Queue("late", Exchange("late"), routing_key="late")
    pooled.app.control.add_consumer("late", exchange="late", routing_key="late", reply=True, timeout=0.7)
    assert pooled.send("add", 2, 2, queue=queue).get(timeout=10) == 4
    pooled.app.control.cancel_consumer("late", reply=True, timeout=0.7)
    pooled.send("add", 3, 3, queue=queue)
    pooled.send("add", 4, 4).get(timeout=10)
    assert pooled.queue("late").size().total_ready == 1
    assert pooled.queue("late").purge() == 1


def test_everything_is_gone_after_the_work(pooled: Fleet) -> None:
    pooled.send("add", 1, 1).get(timeout=10)
    keys = QueueKeys("celery")
    leftover = {keys.state, keys.done, keys.graves, keys.dead}
    eventually(lambda: {key.decode() for key in pooled.client.keys("mq:{celery}*")} <= leftover)
    assert not pooled.client.exists("celery")
