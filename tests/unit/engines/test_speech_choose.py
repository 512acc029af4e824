"""Which engine is chosen, and what a caller is told when something is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workers.engines.errors import InvalidInput, NotConfigured
from workers.engines.speech import SpeechConfig, SpeechEngine, choose
from workers.engines.speech.languages import primary_languages


def test_without_any_setting_the_offline_engine_answers() -> None:
    engine = choose()
    assert engine.name == "pocketsphinx"
    assert isinstance(engine, SpeechEngine)


@pytest.mark.parametrize("language", ["auto", "en", "en-US", "EN_gb", "zh-CN+en-US", ""])
def test_the_offline_engine_takes_english_and_lists_with_english(language: str) -> None:
    assert choose(language=language).name == "pocketsphinx"


@pytest.mark.parametrize("language", ["zh", "zh-CN", "ja+ko"])
def test_another_language_is_refused_with_the_way_out(language: str) -> None:
    with pytest.raises(NotConfigured, match=r"MT_WHISPER_MODEL_PATH.*MT_SPEECH_HTTP_URL"):
        choose(language=language)


def test_a_configured_endpoint_is_preferred_and_takes_any_language() -> None:
    config = SpeechConfig(http_url="http://127.0.0.1:9", http_model="large")
    engine = choose(language="zh-CN", config=config)
    assert (engine.name, engine.model) == ("http", "large")


def test_an_engine_asked_for_by_name_is_the_one_given() -> None:
    config = SpeechConfig(http_url="http://127.0.0.1:9")
    assert choose("pocketsphinx", config=config).name == "pocketsphinx"


@pytest.mark.parametrize(
    ("engine", "setting"), [("faster-whisper", "MT_WHISPER_MODEL_PATH"), ("http", "MT_SPEECH_HTTP_URL")]
)
def test_an_engine_without_its_setting_names_the_setting(engine: str, setting: str) -> None:
    with pytest.raises(NotConfigured, match=setting) as caught:
        choose(engine)
    assert caught.value.details["setting"] == setting


def test_an_unknown_engine_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(InvalidInput, match="pocketsphinx"):
        choose("watson")


def test_a_model_directory_that_does_not_exist_is_never_taken_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"MT_WHISPER_MODEL_PATH.*not a directory"):
        choose(config=SpeechConfig(whisper_model_path=tmp_path / "large-v3"))


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"MT_WHISPER_MODEL_PATH.*model\.bin"):
        choose(config=SpeechConfig(whisper_model_path=tmp_path))


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(NotConfigured, match=r"meetingtasks\[whisper\]"):
        choose(config=SpeechConfig(whisper_model_path=tmp_path))


def test_languages_are_reduced_to_their_primary_tags() -> None:
    assert primary_languages("zh-CN+en_US+zh") == ("zh", "en")
    assert primary_languages("auto") == ()


@pytest.mark.parametrize("language", ["../etc", "english please", "e1"])
def test_nonsense_is_no_language(language: str) -> None:
    with pytest.raises(InvalidInput, match="not a language tag"):
        primary_languages(language)
