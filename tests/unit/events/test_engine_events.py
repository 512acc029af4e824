"""What the engines' registry reports reaches the handlers of the local bus."""

import logging

import pytest

from meetingtasks.events import Event, LocalEventBus, reporter
from workers.engines.registry import EngineRegistry


class Engine:
    name = "pocketsphinx"
    model = "en-us"
    device = "cpu"


def test_d3_25_loading_and_unloading_a_model_reaches_the_handlers() -> None:
    bus = LocalEventBus()
    heard: list[Event] = []
    bus.on("model_loaded", heard.append)
    bus.on("model.unloaded", heard.append)
    bus.start()
    registry = EngineRegistry(observer=reporter(bus, "ai_service"))
    registry.get("speech", Engine)
    registry.get("speech", Engine)  # it is loaded once
    registry.unload("speech")
    bus.stop()
    assert sorted(event.type for event in heard) == ["model_loaded", "model_unloaded"]
    loaded = next(event for event in heard if event.type == "model_loaded")
    assert loaded.source == "ai_service"
    assert {name: loaded.payload[name] for name in ("engine", "model", "device")} == {
        "engine": "pocketsphinx",
        "model": "en-us",
        "device": "cpu",
    }
    assert loaded.payload["load_ms"] >= 0


def test_an_engine_is_loaded_although_the_bus_does_not_take_the_event(caplog: pytest.LogCaptureFixture) -> None:
    bus = LocalEventBus()
    bus.stop()
    registry = EngineRegistry(observer=reporter(bus, "ai_service"))
    with caplog.at_level(logging.WARNING):
        assert isinstance(registry.get("speech", Engine), Engine)
    assert "not told" in caplog.text
