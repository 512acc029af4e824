import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.processes import ProcessGroup, Program, RestartPolicy
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess, is_running

FAST = RestartPolicy(first_s=0.01, longest_s=0.02, give_up_after=3)
STAY = "import signal; print('ready', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
WRITE_AT_END = """
import signal, sys
def end(*_):
    with open(sys.argv[1], "a") as trace: trace.write(sys.argv[2] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""
GROUP = """
import sys
from meetingtasks.processes import ProcessGroup, Program
programs = [Program(f"p{n}", [sys.executable, "-c", code], grace_s=60) for n, code in enumerate(sys.argv[1:])]
sys.exit(ProcessGroup(programs).run())
"""


def python(name: str, code: str, *arguments: str, **options: Any) -> Program:
    return Program(name, [sys.executable, "-c", code, *arguments], **options)


def group_of(*programs: Program, **options: Any) -> tuple[ProcessGroup, io.StringIO]:
    stream = io.StringIO()
    return ProcessGroup(programs, stream=stream, **options), stream


def ready(stream: io.StringIO, count: int) -> Callable[[], bool]:
    return lambda: stream.getvalue().count("| ready") >= count


def test_output_of_all_programs_comes_as_one_stream() -> None:
    talkative = "import sys; print('err', file=sys.stderr); print('more\\n' * 5000); print('last')"
    group, stream = group_of(python("ai", talkative), python("media", "print('out')"))
    with group:
        assert group.wait() == 0

    lines = stream.getvalue().splitlines()
    assert {"ai    | last", "ai    | err", "media | out", "ai    | ended with code 0"} <= set(lines)
    assert lines.index("ai    | last") < lines.index("ai    | ended with code 0"), "last words come before the end"


def test_a_program_gets_this_environment_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    code = "import os; print(os.environ['INHERITED'], os.environ['OWN'])"
    group, stream = group_of(python("ai", code, environment={"OWN": "too"}))
    with group:
        group.wait()
    assert "ai | yes too" in stream.getvalue()


def test_a_crashed_program_is_started_again(tmp_path: Path) -> None:
    code = "import os, sys; n = len(os.listdir('.')); open(str(n), 'w').close(); sys.exit(3 if n < 2 else 0)"
    group, stream = group_of(python("ai", code, directory=tmp_path), restart=FAST)
    with group:
        assert group.wait() == 0

    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2"]  # noqa: PTH208 - names only
    assert "ai | ended with code 3; starting it again in 0.02 s (crash 2 in a row)" in stream.getvalue()


def test_a_killed_program_is_started_again_while_the_others_go_on() -> None:
    group, stream = group_of(python("ai", STAY), python("media", STAY), restart=FAST)
    with group:
        eventually(ready(stream, 2))
        before = group.pids()
        os.kill(before["ai"], signal.SIGKILL)
        eventually(ready(stream, 3))
        after = group.pids()

    assert after["media"] == before["media"]
    assert after["ai"] != before["ai"]
    assert "ended by SIGKILL; starting it again" in stream.getvalue()
    assert not any(is_running(pid) for pid in (before | after).values())


def test_a_program_that_keeps_crashing_stops_the_group_with_a_failure() -> None:
    group, stream = group_of(python("ai", "import sys; sys.exit(9)"), python("media", STAY), restart=FAST)
    with group:
        assert group.wait() == 1
    assert "ai    | ended with code 9, 3 times in a row; giving up and stopping everything" in stream.getvalue()
    assert "media | stopped, by SIGTERM" in stream.getvalue()
    assert group.pids() == {}


def test_a_program_that_is_not_to_be_restarted_fails_alone() -> None:
    group, stream = group_of(
        python("demo", "import sys; sys.exit(5)", restart="never"), python("ai", STAY), restart=FAST
    )
    with group:
        eventually(lambda: "demo | ended with code 5\n" in stream.getvalue())
        eventually(ready(stream, 1))
        assert set(group.pids()) == {"ai"}
        assert group.stop() == 1


def test_a_stop_goes_from_the_highest_stage_to_the_lowest(tmp_path: Path) -> None:
    trace = str(tmp_path / "trace")
    group, stream = group_of(
        python("worker", WRITE_AT_END, trace, "worker", stage=1),
        python("server", WRITE_AT_END, trace, "server", stage=0),
        python("api", WRITE_AT_END, trace, "api", stage=2),
    )
    with group:
        eventually(ready(stream, 3))
        assert group.stop() == 0
    assert Path(trace).read_text().split() == ["api", "worker", "server"]


def test_a_program_deaf_to_the_stop_is_killed_after_its_grace() -> None:
    group, stream = group_of(python("ai", DEAF, grace_s=0.1), python("media", STAY))
    with group:
        eventually(ready(stream, 2))
        assert group.stop() == 1
    assert "ai    | did not end within 0.1 s; killing it" in stream.getvalue()
    assert "media | stopped, by SIGTERM" in stream.getvalue()


def test_nothing_stays_behind_when_one_program_cannot_be_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    first = python("first", f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n{STAY}")
    group, _ = group_of(first, python("second", STAY, directory=tmp_path / "absent", stage=1))
    with pytest.raises(FileNotFoundError):
        group.start()
    assert group.pids() == {}
    assert not pid_file.exists() or not is_running(int(pid_file.read_text()))


def test_a_program_that_cannot_be_started_again_counts_as_crashed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); sys.exit(1)"
    group, stream = group_of(python("ai", code, directory=place), restart=FAST)
    with group:
        assert group.wait() == 1
    assert "ai | cannot be started: " in stream.getvalue()
    assert "3 times in a row; giving up" in stream.getvalue()


def test_two_programs_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="same name"):
        ProcessGroup([python("ai", STAY), python("ai", STAY)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_everything_cleanly(start_python: Callable[..., RunningProcess], number: int) -> None:
    process = start_python(GROUP, STAY, STAY)
    eventually(lambda: process.output.count("| ready") == 2)

    process.send(signal.Signals(number))

    assert process.wait() == 0, process.output
    assert process.output.count("stopped, by SIGTERM") == 2
    assert "Traceback" not in process.output


def test_a_second_stop_signal_kills_what_still_runs(start_python: Callable[..., RunningProcess]) -> None:
    process = start_python(GROUP, DEAF, STAY)
    eventually(lambda: process.output.count("| ready") == 2)

    process.send(signal.SIGINT)
    process.wait_for_line("p1 | stopped")
    process.send(signal.SIGINT)

    assert process.wait() == 1, process.output
    assert "p0 | a second stop was asked for; killing it" in process.output


@pytest.mark.chaos
def test_everything_ends_with_a_group_that_is_killed(start_python: Callable[..., RunningProcess]) -> None:
    process = start_python(GROUP, f"import os; print('pid', os.getpid())\n{DEAF}")
    pid = int(process.wait_for_line("pid").split()[-1])

    process.send(signal.SIGKILL)

    eventually(lambda: not is_running(pid))


def test_a_second_signal_hurries_a_program_that_knows_how_and_only_a_slow_one_is_killed(
    start_python: Callable[..., RunningProcess],
) -> None:
    hurrying = """
import signal
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
print("asked", flush=True)
signal.sigwait({signal.SIGTERM})
print("in a hurry", flush=True)
"""
    blocked = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
    group = GROUP.replace("grace_s=60", "grace_s=60, hurry_s=0.2 + 30 * (n == 0)")
    process = start_python(group, blocked + hurrying, DEAF)
    process.wait_for_line("p0 | ready")
    process.wait_for_line("p1 | ready")
    process.send(signal.SIGINT)
    process.wait_for_line("p0 | asked")
    process.send(signal.SIGINT)

    assert process.wait() == 1, process.output
    assert "p0 | in a hurry" in process.output
    assert "p0 | stopped, with code 0" in process.output
    assert "p1 | did not end within 0.2 s after a second stop was asked for; killing it" in process.output
