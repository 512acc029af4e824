"""Engines are loaded once, at first use, and the observer is told."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from workers.engines.registry import EngineRegistry

_HELD = EngineRegistry()


@dataclass
class Recogniser:
    name: str = "recogniser"
    model: str = "m-1"
    device: str = "cpu"
    weights: bytearray = field(default_factory=bytearray)


@pytest.fixture
def told() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def registry(told: list[tuple[str, dict[str, Any]]]) -> EngineRegistry:
    return EngineRegistry(lambda event, facts: told.append((event, facts)))


def test_an_engine_is_loaded_at_its_first_use_and_kept(registry: EngineRegistry) -> None:
    first = registry.get("speech", Recogniser)
    assert registry.get("speech", Recogniser) is first


def test_the_observer_hears_of_loading_and_unloading(
    registry: EngineRegistry, told: list[tuple[str, dict[str, Any]]]
) -> None:
    registry.get("speech", Recogniser)
    registry.get("speech", Recogniser)
    assert registry.unload("speech")
    assert [event for event, _ in told] == ["model_loaded", "model_unloaded"]
    facts = told[0][1]
    assert (facts["key"], facts["engine"], facts["model"], facts["device"]) == ("speech", "recogniser", "m-1", "cpu")
    assert facts["load_ms"] >= 0


def test_the_memory_that_loading_took_is_measured(registry: EngineRegistry) -> None:
    size = 64 * 1024 * 1024
    registry.get("speech", lambda: Recogniser(weights=bytearray(b"x") * size))
    assert registry.loaded()[0].memory_bytes >= size // 2


def test_many_threads_cause_one_load(registry: EngineRegistry) -> None:
    loads: list[int] = []
    start = threading.Barrier(8)

    def load() -> Recogniser:
        loads.append(1)
        return Recogniser()

    def use(_: int) -> Recogniser:
        start.wait(10)
        return registry.get("speech", load)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(8)))
    assert len(loads) == 1
    assert all(one is found[0] for one in found)


def test_a_slow_load_does_not_hold_up_another_engine(registry: EngineRegistry) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow() -> Recogniser:
        entered.set()
        assert release.wait(30)
        return Recogniser()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(registry.get, "slow", slow)
        assert entered.wait(30)
        registry.get("fast", Recogniser)
        release.set()
        waiting.result(30)


def test_a_failing_load_leaves_nothing_and_may_be_tried_again(registry: EngineRegistry) -> None:
    def fail() -> Recogniser:
        raise MemoryError

    with pytest.raises(MemoryError):
        registry.get("speech", fail)
    assert registry.loaded() == []
    assert registry.get("speech", Recogniser).name == "recogniser"


def test_unloading_what_is_not_held_says_so(registry: EngineRegistry) -> None:
    assert not registry.unload("speech")


def test_after_unloading_the_next_use_loads_again(
    registry: EngineRegistry, told: list[tuple[str, dict[str, Any]]]
) -> None:
    first = registry.get("speech", Recogniser)
    registry.unload("speech")
    assert registry.get("speech", Recogniser) is not first
    assert len(told) == 3


def _child(connection: Any) -> None:
    connection.send((len(_HELD.loaded()), id(_HELD.get("speech", Recogniser))))
    connection.close()


def test_a_forked_child_loads_its_own(registry: EngineRegistry) -> None:
    mine = _HELD.get("speech", Recogniser)
    here, there = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=_child, args=(there,))
    child.start()
    held, its = here.recv()
    child.join(30)
    assert held == 0
    assert its != id(mine)
