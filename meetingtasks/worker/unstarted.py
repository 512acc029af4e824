"""What a Celery worker was handed and has not begun: it can be taken back out of the worker, exactly.

Each place where a request waits is a deque or a queue, so a request is taken either here or by the pool, never by both.
"""
# ruff: noqa: SLF001 - Celery and the standard library keep their waiting work in private attributes

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any


def take_back(worker: Any) -> list[Any]:
    """Return the requests that a worker has not begun and now will not begin."""
    return [*_behind_the_semaphore(worker), *_queued_for_a_thread(worker), *_held_by_a_rate_limit(worker)]


def _behind_the_semaphore(worker: Any) -> Iterator[Any]:
    """Of a prefork pool whose processes are all busy."""
    semaphore = getattr(worker, "semaphore", None)
    while semaphore is not None:
        try:
            _, arguments, _ = semaphore._waiting.popleft()
        except IndexError:
            return
        yield arguments[0]


def _queued_for_a_thread(worker: Any) -> Iterator[Any]:
    """Of a thread pool whose threads are all busy."""
    executor = getattr(worker.pool, "executor", None)
    while executor is not None:
        try:
            item = executor._work_queue.get_nowait()
        except queue.Empty:
            return
        if item is not None:
            item.future.cancel()
            yield _request_of(item)


def _request_of(item: Any) -> Any:
    # since Python 3.14 an item holds one tuple: function, arguments, named arguments
    arguments = item.task[1] if hasattr(item, "task") else item.args
    accept_callback = arguments[-1]
    return accept_callback.__self__


def _held_by_a_rate_limit(worker: Any) -> Iterator[Any]:
    consumer = getattr(worker, "consumer", None)
    for bucket in list(consumer.task_buckets.values()) if consumer is not None else ():
        while bucket is not None:
            try:
                request, _ = bucket.pop()
            except IndexError:
                break
            yield request
