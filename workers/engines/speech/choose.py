"""Which engine answers: the one that was asked for, or the best that is configured and knows the language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workers.engines.errors import InvalidInput, NotConfigured
from workers.engines.speech.endpoint import HttpSpeechEngine
from workers.engines.speech.interface import SpeechEngine
from workers.engines.speech.whisper import FasterWhisperEngine

ENGINES = ("auto", "pocketsphinx", "faster-whisper", "http")


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """What is configured; an empty value means "not there"."""

    whisper_model_path: Path | None = None
    """Directory of a faster-whisper model (MT_WHISPER_MODEL_PATH)."""
    whisper_device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""
    http_url: str = ""
    """Base address of an OpenAI-style speech endpoint, without ``/v1`` (MT_SPEECH_HTTP_URL)."""
    http_key: str = ""
    """Bearer key of the endpoint; empty sends none (MT_SPEECH_HTTP_KEY)."""
    http_model: str = "whisper-1"
    """Model name that the endpoint is asked for."""
    http_timeout_s: float = 60.0
    """Time for one request, in seconds."""


def choose(engine: str = "auto", *, language: str = "auto", config: SpeechConfig | None = None) -> SpeechEngine:
    """Return the engine for ``engine`` and ``language``.

    ``auto`` prefers faster-whisper, then the endpoint, then PocketSphinx; the last is refused for a language other
    than English. Raises ``NotConfigured`` naming the setting or package that is missing, ``InvalidInput`` for a name
    that is no engine. A returned engine is ready, but its model is loaded by the first use: keep it in a registry.
    """
    config = config or SpeechConfig()
    if engine == "auto":
        engine = "faster-whisper" if config.whisper_model_path else "http" if config.http_url else "pocketsphinx"
    if engine == "faster-whisper":
        return _whisper(config)
    if engine == "http":
        return _http(config)
    if engine == "pocketsphinx":
        return _sphinx(language)
    raise InvalidInput(f"{engine!r} is no speech engine; there are {', '.join(ENGINES)}", code="engine_unknown")


def _whisper(config: SpeechConfig) -> SpeechEngine:
    if config.whisper_model_path is None:
        message = "faster-whisper needs MT_WHISPER_MODEL_PATH, a directory with a model"
        raise NotConfigured(message, setting="MT_WHISPER_MODEL_PATH")
    return FasterWhisperEngine(config.whisper_model_path, device=config.whisper_device)


def _http(config: SpeechConfig) -> SpeechEngine:
    if not config.http_url:
        message = "the speech endpoint needs MT_SPEECH_HTTP_URL, its base address"
        raise NotConfigured(message, setting="MT_SPEECH_HTTP_URL")
    return HttpSpeechEngine(
        config.http_url, key=config.http_key, model=config.http_model, timeout_s=config.http_timeout_s
    )


def _sphinx(language: str) -> SpeechEngine:
    try:
        from workers.engines.speech.sphinx import (  # noqa: PLC0415 - its package is optional
            PocketSphinxEngine,
            check_english,
        )
    except ImportError as error:
        message = "the package pocketsphinx is not installed: pip install 'meetingtasks[asr]'"
        raise NotConfigured(message, extra="asr") from error
    check_english(language)
    return PocketSphinxEngine()
