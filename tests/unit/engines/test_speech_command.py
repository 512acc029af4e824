"""The speech engine from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.engines.speech", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_it_prints_what_it_heard_and_how_far_to_trust_it() -> None:
    done = run("samples/meeting.flac", "--end-ms", "3300")
    assert done.returncode == 0, done.stderr
    assert "the conference is now being recorded" in done.stdout
    assert "low accuracy" in done.stdout


def test_json_carries_the_whole_transcript() -> None:
    done = run("samples/meeting.flac", "--end-ms", "3300", "--json", "--words")
    found = json.loads(done.stdout)
    assert found["engine"] == "pocketsphinx"
    assert found["segments"][0]["words"][0]["text"] == "the"


def test_a_refusal_is_one_line_and_a_failed_exit() -> None:
    done = run("samples/README.md")
    assert done.returncode == 1
    assert done.stderr.startswith("media_invalid: ")
    assert "Traceback" not in done.stderr
