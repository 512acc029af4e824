"""A server whose machine loses power: what it had not made the disk write is gone from its append-only file."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from meetingtasks.embedded import EmbeddedServer

SOURCE = Path(__file__).with_name("synced.c")


def append_only_file(server: EmbeddedServer) -> Path:
    """Return the one file that the server's newest writes are in."""
    (path,) = (server.directory / "appendonlydir").glob("*.incr.aof")
    return path


def synced_bytes(server: EmbeddedServer) -> int:
    """Return how much of that file is on the disk for certain."""
    mark = append_only_file(server).with_suffix(".aof.synced")
    return int(mark.read_text()) if mark.exists() else 0


def start_watched(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, appendfsync: Literal["always", "everysec"]
) -> EmbeddedServer:
    """Start a server of which it is noted what it has synced; skips where that cannot be done."""
    watcher = _compiled(directory / "synced.so")
    server = EmbeddedServer(directory / "server", appendfsync=appendfsync)
    with monkeypatch.context() as only_here:
        only_here.setenv("LD_PRELOAD", str(watcher))
        server.start()
    if watcher.name not in Path(f"/proc/{server.pid}/maps").read_text():
        server.stop()
        pytest.skip("the server's program is linked statically: nothing can be loaded into it")
    return server


def lose_power(server: EmbeddedServer) -> None:
    """Kill the server and drop all that was not synced; `EmbeddedServer.restart` is the machine's next start."""
    server.kill()
    left_bytes = synced_bytes(server)
    with append_only_file(server).open("r+b") as file:
        file.truncate(left_bytes)


def _compiled(library: Path) -> Path:
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler (cc) to see what the server has synced")
    subprocess.run([compiler, "-shared", "-fPIC", "-pthread", "-o", library, SOURCE], check=True, timeout=60)
    return library
