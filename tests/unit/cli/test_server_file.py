"""The note by which a running fleet is found: only while its writer lives, and only by its own user."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from meetingtasks.cli.server_file import AlreadyRunning, RunningServer, ServerFile, find
from tests.support.processes import RunningProcess

HOLDER = """
import sys
from pathlib import Path
from meetingtasks.cli.server_file import ServerFile
with ServerFile(Path(sys.argv[1])) as note:
    note.write("redis://127.0.0.1:1/0")
    print("written", flush=True)
    sys.stdin.read() or __import__("signal").pause()
"""


def test_the_note_is_found_while_it_is_held_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "server.json"
    assert find(path) is None
    with ServerFile(path) as note:
        note.write("redis+socket:///a/longer/url/than/the/next?virtual_host=0")
        note.write("redis://127.0.0.1:6380/0")
        assert find(path) == RunningServer(url="redis://127.0.0.1:6380/0", pid=os.getpid())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    with ServerFile(path) as note:
        note.write("redis://127.0.0.1:1/0")
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"), ServerFile(path):
            pass
        assert find(path) is not None


def test_the_note_of_a_killed_process_is_not_believed_and_can_be_taken_over(
    tmp_path: Path, start_python: Callable[..., RunningProcess]
) -> None:
    path = tmp_path / "server.json"
    holder = start_python(HOLDER, str(path))
    holder.wait_for_line("written")
    assert find(path) == RunningServer(url="redis://127.0.0.1:1/0", pid=holder.pid)
    holder.popen.kill()
    holder.wait()
    assert json.loads(path.read_text())["pid"] == holder.pid
    assert find(path) is None
    with ServerFile(path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1}', "\x00"])
def test_a_note_that_makes_no_sense_is_no_server(text: str, tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    with ServerFile(path) as note:
        note.write("redis://127.0.0.1:1/0")
        path.write_text(text)
        assert find(path) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_the_note_of_another_user_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    with ServerFile(path) as note:
        note.write("redis://127.0.0.1:1/0")
        os.chown(path, 65_534, 65_534)
        assert find(path) is None
