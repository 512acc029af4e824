"""Minutes from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.meetings import CHINESE, segments_of

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.engines.minutes", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "transcript.json"
    path.write_text(json.dumps({"segments": segments_of(CHINESE)}, ensure_ascii=False), encoding="utf-8")
    return path


def test_it_prints_a_page(transcript: Path) -> None:
    done = run(str(transcript), "--date", "2026-03-04")
    assert done.returncode == 0, done.stderr
    assert "## 决定" in done.stdout
    assert "我们决定按原计划在三月二十日发布。 [s0010]" in done.stdout


def test_it_prints_json(transcript: Path) -> None:
    assert json.loads(run(str(transcript), "--json").stdout)["language"] == "zh"


def test_a_file_that_is_no_transcript_is_one_line_and_a_failed_exit(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1, 2]")
    done = run(str(tmp_path / "x.json"))
    assert done.returncode == 1
    assert "not a transcript" in done.stderr
    assert "Traceback" not in done.stderr
