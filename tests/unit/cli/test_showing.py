"""What is shown: escaped, in words, as narrow as the terminal."""

import pytest

from meetingtasks.cli import output, views
from meetingtasks.cli.following import Snapshot
from meetingtasks.cli.live import PlainLines, bar
from meetingtasks.cli.services import COMPUTING, NAMES, concurrency, queues_of
from meetingtasks.records import Progress, TaskError, TaskRecord
from meetingtasks.settings import Settings
from meetingtasks.states import Priority, TaskState
from meetingtasks.task_types import QUEUES


def a_record(state: TaskState = TaskState.RUNNING, **fields: object) -> TaskRecord:
    basics = {"id": "a-1", "type": "t", "name": "n", "service": "ai", "queue": "ai_tasks", "created_ms": 0}
    return TaskRecord(**{**basics, "priority": Priority.NORMAL, "state": state, **fields})  # type: ignore[arg-type]


def test_control_characters_from_elsewhere_are_escaped() -> None:
    assert output.shown("a\x1b[2Jb\u202ec\u200bd 你好\nnext") == "a\\x1b[2Jb\\u202ec\\u200bd 你好\nnext"


def test_a_lone_surrogate_can_be_shown() -> None:
    assert output.shown("a\udcffb").isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (10, "10s"), (59.4, "59s"), (60, "1m00s"), (3599, "59m59s"), (7384, "2h03m")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert views.duration(seconds) == text


def test_a_table_in_a_pipe_has_one_line_per_row_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "state"), [("[red]x[/red]" * 10, "a\x1bb"), (None, 5)])
    assert capsys.readouterr().out.splitlines() == [
        "name" + " " * 117 + " state",
        "[red]x[/red]" * 10 + "  a\\x1bb",
        " " * 121 + " 5",
    ]


@pytest.mark.parametrize(
    ("record", "percent", "sentence"),
    [
        (a_record(TaskState.PENDING), 0, "pending 0%"),
        (a_record(progress=Progress(percent=40, step="split", message="3 of 9")), 45.4, "running 45% split 3 of 9"),
        (a_record(progress=Progress(percent=40, step="split", message="split 3/9")), 40, "running 40% split 3/9"),
        (a_record(TaskState.COMPLETED, progress=Progress(percent=100, message="x")), 100, "completed"),
        (
            a_record(TaskState.FAILED, error=TaskError(code="refused", error_class="business", message="no")),
            40,
            "failed refused: no",
        ),
    ],
)
def test_a_moment_is_told_in_one_line(record: TaskRecord, percent: float, sentence: str) -> None:
    assert Snapshot(record=record, run=None, percent=percent).sentence == sentence


def test_plain_progress_says_only_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines()
    for percent in (0, 1, 2, 9.9, 10, 19, 25):
        lines.show(Snapshot(record=a_record(), run=None, percent=percent))
    assert capsys.readouterr().err.splitlines() == ["running 0%", "running 10%", "running 25%"]


@pytest.mark.parametrize(("percent", "filled"), [(-5, 0), (0, 0), (50, 12), (100, 24), (250, 24)])
def test_a_bar_never_leaves_its_cells(percent: float, filled: int) -> None:
    assert bar(percent, ascii_only=True) == "#" * filled + "." * (24 - filled)


def test_computing_services_get_the_cores_and_waiting_ones_more_within_limits() -> None:
    for name in NAMES:
        wanted = {1: 1, 2: 2, 64: 64} if name in COMPUTING else {1: 2, 2: 4, 64: 8}
        assert {cores: concurrency(name, Settings(), cores=cores) for cores in wanted} == wanted
    assert concurrency("ai", Settings(concurrency=7), cores=2) == 7


def test_together_the_services_take_from_every_queue_that_a_type_goes_to_by_itself() -> None:
    taken = {queue for name in NAMES for queue in queues_of(name)}
    by_kind_of_work = {name for name, spec in QUEUES.items() if spec.service == "any"}
    assert taken >= set(QUEUES) - by_kind_of_work
    assert "notification" in taken
