"""Which speech engine this installation uses, loaded once per process."""

from __future__ import annotations

from meetingtasks.settings import current
from workers.engines.registry import EngineRegistry
from workers.engines.speech import SpeechConfig, SpeechEngine, choose
from workers.process_events import report

_registry = EngineRegistry(report)


def speech_engine(*, engine: str = "auto", language: str = "auto") -> SpeechEngine:
    """Return a warm engine for a language; NotConfigured names the setting that is missing."""
    settings = current()
    wanted = settings.speech_engine if engine == "auto" else engine
    config = SpeechConfig(
        whisper_model_path=settings.whisper_model_path,
        http_url=settings.speech_http_url or "",
        http_key=settings.speech_http_key.get_secret_value() if settings.speech_http_key else "",
    )
    return _registry.get(f"speech:{wanted}:{language}", lambda: choose(wanted, language=language, config=config))
