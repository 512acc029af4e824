"""Measures the local event bus: microseconds per emit, and per event from emit to handled.

Run it with ``python benchmarks/local_bus.py [events]``. Nothing leaves the process; the figures are CPython's own cost
of an envelope, a lock and a hand-over between threads.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

from meetingtasks.events import LocalEventBus


def per_emit_us(events: int, handlers: int, workers: int) -> tuple[float, float]:
    """Return µs per emit and µs per event until the last one was handled."""
    bus = LocalEventBus(buffer_size=events, workers=workers)
    for _ in range(handlers):
        bus.on("stream_started", lambda _event: None)
    payload = {"stream_id": "stream_123"}
    bus.start()
    began = time.perf_counter()
    for _ in range(events):
        bus.emit("stream_started", payload, "media_service")
    emitted = time.perf_counter()
    bus.stop()
    ended = time.perf_counter()
    assert bus.get_stats()["total_processed"] == events
    return (emitted - began) / events * 1e6, (ended - began) / events * 1e6


def per_sync_emit_us(events: int) -> float:
    """Return µs per event whose handler runs in the caller."""
    bus = LocalEventBus()
    bus.on("stream_started", lambda _event: None)
    began = time.perf_counter()
    for _ in range(events):
        bus.emit_sync("stream_started", {"stream_id": "stream_123"}, "media_service")
    return (time.perf_counter() - began) / events * 1e6


def contended_us(events: int, threads: int) -> float:
    """Return µs per emit while several threads emit at once."""
    bus = LocalEventBus(buffer_size=events)
    bus.on("stream_started", lambda _event: None)
    share = events // threads
    bus.start()

    def emit() -> None:
        for _ in range(share):
            bus.emit("stream_started", {"stream_id": "stream_123"}, "media_service")

    emitters = [threading.Thread(target=emit) for _ in range(threads)]
    began = time.perf_counter()
    for emitter in emitters:
        emitter.start()
    for emitter in emitters:
        emitter.join()
    took = time.perf_counter() - began
    bus.stop()
    return took / (share * threads) * 1e6


def main() -> None:
    """Print one line per case: the median of five rounds."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{'case':<34}{'µs per emit':>12}{'µs to handled':>15}")
    for handlers, workers in ((0, 1), (1, 1), (1, 4), (4, 4)):
        rounds = [per_emit_us(events, handlers, workers) for _ in range(5)]
        emit_us, whole_us = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{f'{handlers} handlers, {workers} workers':<34}{emit_us:>12.2f}{whole_us:>15.2f}")
    print(f"{'8 threads emitting, 4 workers':<34}{statistics.median(contended_us(events, 8) for _ in range(5)):>12.2f}")
    print(f"{'emit_sync, 1 handler':<34}{statistics.median(per_sync_emit_us(events) for _ in range(5)):>12.2f}")


if __name__ == "__main__":
    main()
