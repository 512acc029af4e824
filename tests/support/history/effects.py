"""The effects log: what tasks did, written by the tasks themselves, whatever the platform says about them.

One line per effect, appended in one write to a file opened with O_APPEND: lines of many processes are never torn, and a
process that is killed has either written its line or not.
"""

import os
import time
from pathlib import Path
from typing import Literal

from tests.support.history.model import Effect

Word = Literal["start", "end"]


def write(log: Path, word: Word, task_id: str, attempt: int) -> None:
    """Append one effect of this process."""
    line = f"{time.time():.6f} {word} {task_id} {attempt} {os.getpid()}\n"
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read(log: Path) -> tuple[Effect, ...]:
    """Return all effects in the order of their writing."""
    return tuple(_effect(line) for line in log.read_text().splitlines()) if log.exists() else ()


def _effect(line: str) -> Effect:
    at_s, word, task_id, attempt, pid = line.split()
    return Effect(at_s=float(at_s), word=word, task_id=task_id, attempt=int(attempt), pid=int(pid))
