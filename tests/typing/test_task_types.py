"""What mypy says to a producer that submits declared tasks, and what the same lines do when they run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import InvalidPayload

ROOT = Path(__file__).parents[2]

# every line that mypy must refuse ends with the code of its error
SNIPPET = """
from typing import assert_type

from meetingtasks.payloads.ai import SpeechRecognitionResult
from workers.ai import speech_recognition

speech_recognition.delay(audio_url="file:///call.wav", language="en")
speech_recognition.submit({"priority": "high", "meeting_id": 456}, audio_url="file:///call.wav")
speech_recognition.s(audio_url="file:///call.wav")
assert_type(speech_recognition(audio_url="file:///call.wav"), SpeechRecognitionResult)

speech_recognition.delay(3)  # refused: call-arg
speech_recognition.delay(audio_uri="file:///call.wav")  # refused: call-arg
speech_recognition.delay(audio_url=3)  # refused: arg-type
speech_recognition.submit({"priority": "high"}, 3)  # refused: call-arg
speech_recognition.si(sample_rate="16000")  # refused: arg-type
"""


def test_a_declared_task_is_typed_for_its_callers(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\nplugins = pydantic.mypy\nignore_missing_imports = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--follow-imports=silent"]
    cache = ["--cache-dir", str(tmp_path / "cache"), str(snippet)]
    done = subprocess.run([*command, *cache], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    found = {(int(line), code) for line, code in re.findall(r"snippet\.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)}
    expected = {
        (number, match[1])
        for number, line in enumerate(SNIPPET.splitlines(), 1)
        if (match := re.search(r"# refused: (\S+)", line))
    }
    assert {line for line, _ in found} == {line for line, _ in expected}, done.stdout
    assert len(expected) == 5


@pytest.mark.parametrize(
    ("arguments", "fields"), [((3,), {}), ((), {"audio_uri": "file:///a.wav"}), ((), {"audio_url": 3})]
)
def test_wrong_arguments_are_refused_at_the_producer_and_nothing_is_stored(
    arguments: tuple[object, ...], fields: dict[str, object], broker_url: str
) -> None:
    from workers.ai import speech_recognition  # noqa: PLC0415 - importing it loads the engines

    with TaskDispatcher(broker_url) as dispatcher:
        with pytest.raises(InvalidPayload):
            speech_recognition.delay(*arguments, **fields)
        assert dispatcher.store.live_count() == 0
