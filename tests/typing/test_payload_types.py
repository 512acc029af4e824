"""What mypy says to a caller who builds payloads: their constructors know every name and type."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAIN = "[mypy]\nstrict = true\n"
WITH_PLUGIN = PLAIN + "plugins = pydantic.mypy\n"

# every line that mypy must refuse ends with the code of its error
SNIPPET = """
from collections.abc import Callable
from typing import ParamSpec, TypeVar, assert_type

from meetingtasks.payloads.ai import SpeechRecognitionPayload
from meetingtasks.payloads.common import Segment
from meetingtasks.payloads.meeting import ProcessRecordingPayload

P = ParamSpec("P")
T = TypeVar("T")


def submit(model: Callable[P, T]) -> Callable[P, str]:
    raise NotImplementedError


payload = SpeechRecognitionPayload(audio_url="file:///call.wav", language="en", hotwords=["Celery"])
assert_type(payload.language, str)
assert_type(payload.duration_ms, int | None)
ProcessRecordingPayload(audio_files=["meeting.wav"], meeting_type="weekly_sync")
delay = submit(SpeechRecognitionPayload)
assert_type(delay(audio_url="file:///call.wav"), str)

SpeechRecognitionPayload(audio_uri="file:///call.wav")  # refused: call-arg
SpeechRecognitionPayload(audio_data="AAAA", audio_format="wav")  # refused: call-arg
SpeechRecognitionPayload(audio_url="file:///call.wav", sample_rate="16000")  # refused: arg-type
SpeechRecognitionPayload(audio_url="file:///call.wav", format="exe")  # refused: arg-type
SpeechRecognitionPayload("file:///call.wav")  # refused: call-arg
Segment(start_ms=0, end_ms=10)  # refused: call-arg
payload.language = "zh-CN"  # refused by the plugin alone: misc
delay(audio_url=5)  # refused: arg-type
delay(audio_uri="file:///call.wav")  # refused: call-arg
"""


def marked(*marks: str) -> dict[int, str]:
    """Return the lines of SNIPPET that carry one of the marks, with the code after it."""
    lines = enumerate(SNIPPET.splitlines(), start=1)
    return {number: line.partition(mark)[2] for number, line in lines for mark in marks if mark in line}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy-cache")


def refused_by_mypy(directory: Path, cache: Path, settings: str) -> dict[int, str]:
    """Return the line of each error in SNIPPET with the error's code."""
    program, config = directory / "caller.py", directory / "mypy.ini"
    program.write_text(SNIPPET)
    config.write_text(settings)
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", cache, "--no-error-summary"]
    done = subprocess.run([*command, program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert all("caller.py:" in error for error in errors), done.stdout
    return {
        int(error.partition("caller.py:")[2].partition(":")[0]): error.rpartition("[")[2].rstrip("]")
        for error in errors
    }


def test_constructors_are_typed_for_callers(tmp_path: Path, cache: Path) -> None:
    assert refused_by_mypy(tmp_path, cache, PLAIN) == marked("# refused: ")


def test_pydantics_plugin_also_knows_that_payloads_are_frozen(tmp_path: Path, cache: Path) -> None:
    assert refused_by_mypy(tmp_path, cache, WITH_PLUGIN) == marked("# refused: ", "# refused by the plugin alone: ")
