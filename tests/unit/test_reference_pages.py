"""The generated reference: one page per thing that the code describes, as fresh as the code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from meetingtasks.settings import Settings

GENERATOR = Path(__file__).parents[2] / "docs" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_reference_page_is_fresh(generate: ModuleType) -> None:
    assert generate.stale() == [], "run: make docs"


def test_every_setting_is_on_the_page(generate: ModuleType) -> None:
    page = generate.settings_page()
    for name in Settings.model_fields:
        assert f"| `{name}` | `MT_{name.upper()}` |" in page


def test_a_stale_page_is_named_and_written_anew(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    (tmp_path / "settings.md").write_text("old")
    assert generate.main(["--check"]) == 1
    assert "docs/reference/settings.md is stale; run: make docs" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
