import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from meetingtasks.processes import Watch, spawn
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess, is_running

StartPython = Callable[..., RunningProcess]
WATCHES = get_args(Watch) if sys.platform == "linux" else ["pipe"]
PARENT = """
import os, signal, subprocess, sys, threading
from meetingtasks.processes import spawn
watch, death_signal, *command = sys.argv[1:]
children = []
def start():
    child = spawn(command, watch=watch, death_signal=signal.Signals(int(death_signal)), output=subprocess.PIPE)
    print(child.stdout.readline().decode().strip(), "from", child.pid, flush=True)
    children.append(child)
starter = threading.Thread(target=start)
starter.start()
starter.join()
while os.path.exists(f"/proc/self/task/{starter.native_id}"):
    pass
print("started by a thread that has ended:", children[0].poll(), flush=True)
threading.Event().wait()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
TIDY = """
import signal, sys
def tidy(*_):
    open(sys.argv[1], "w").write("tidied up")
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture(params=WATCHES)
def watch(request: pytest.FixtureRequest) -> Watch:
    return request.param


def test_it_runs_the_command_with_its_own_input_output_and_exit_code(watch: Watch, tmp_path: Path) -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.getcwd(), os.environ['WORD']); sys.exit(7)"
    with spawn(
        [sys.executable, "-c", code], watch=watch, cwd=tmp_path, env={"WORD": "hello"}, output=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read().decode().split() == ["''", str(tmp_path.resolve()), "hello"]
    assert child.returncode == 7


def test_the_child_keeps_its_number_and_leads_its_own_session(watch: Watch) -> None:
    code = "import os; print(os.getpid(), os.getsid(0))"
    with spawn([sys.executable, "-c", code], watch=watch, output=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read().decode().split() == [str(child.pid)] * 2


def test_a_command_that_does_not_exist_ends_with_127_and_says_why(watch: Watch) -> None:
    with spawn(["no-such-program"], watch=watch, output=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read() == b"cannot run no-such-program: No such file or directory\n"
    assert child.returncode == 127


def test_a_working_directory_that_does_not_exist_is_raised_here(watch: Watch, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spawn(["true"], watch=watch, cwd=tmp_path / "absent")


@pytest.mark.chaos
def test_it_ends_with_a_killed_parent_but_not_with_the_thread_that_started_it(
    start_python: StartPython, watch: Watch
) -> None:
    parent = start_python(PARENT, watch, str(signal.SIGKILL.value), sys.executable, "-c", STUBBORN)
    pid = int(parent.wait_for_line("deaf").split()[-1])
    assert parent.wait_for_line("started by").split()[-1] == "None", "the child ended with the thread"

    parent.send(signal.SIGKILL)

    eventually(lambda: not is_running(pid))


@pytest.mark.chaos
def test_a_gentler_signal_lets_it_tidy_up(start_python: StartPython, watch: Watch, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    parent = start_python(PARENT, watch, str(signal.SIGTERM.value), sys.executable, "-c", TIDY, str(trace))
    parent.wait_for_line("ready")

    parent.send(signal.SIGKILL)

    eventually(lambda: trace.exists() and trace.read_text() == "tidied up")


@pytest.mark.chaos
def test_the_watcher_kills_a_child_that_is_deaf_to_the_gentler_signal(start_python: StartPython) -> None:
    parent = start_python(PARENT, "pipe", str(signal.SIGTERM.value), sys.executable, "-c", STUBBORN)
    pid = int(parent.wait_for_line("deaf").split()[-1])

    parent.send(signal.SIGKILL)

    eventually(lambda: not is_running(pid), within_s=15)


@pytest.mark.skipif(sys.platform != "linux", reason="lists processes in /proc")
def test_the_watcher_ends_with_the_child() -> None:
    child = spawn([sys.executable, "-c", "import signal; signal.pause()"], watch="pipe")
    watcher = eventually(lambda: children_of(child.pid))[0]

    child.kill()
    with child:
        pass

    eventually(lambda: not is_running(watcher))


def test_a_forked_process_can_start_children_of_its_own(start_python: StartPython) -> None:
    process = start_python("""
import os, sys
from meetingtasks.processes import spawn
with spawn(["true"]): pass
if (child := os.fork()) == 0:
    with spawn(["true"]) as grandchild: pass
    os._exit(grandchild.returncode)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
    assert process.wait() == 0, process.output


def children_of(pid: int) -> list[int]:
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if os.access(path, os.R_OK)]
    parents = {int(stat.split()[0]): int(stat.rpartition(")")[2].split()[1]) for stat in stats}
    return [child for child, parent in parents.items() if parent == pid]
