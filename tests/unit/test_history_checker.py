"""The history checker finds each seeded violation, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetingtasks.records import Attempt, TaskRecord
from meetingtasks.states import Priority, TaskState
from tests.support.history import effects
from tests.support.history.check import INVARIANTS, check
from tests.support.history.model import Effect, Event, Fault, History, Occurrence, Percent, Seen, Submission


def record(task_id: str, **fields: Any) -> TaskRecord:
    first = Attempt(attempt=1, worker="w", pid=1, started_ms=1000, ended_ms=3000, outcome="completed")
    values = {"type": "t", "name": "t", "service": "s", "queue": "q", "priority": Priority.NORMAL, "created_ms": 0}
    return TaskRecord(id=task_id, **{**values, "state": TaskState.COMPLETED, "attempts": (first,), **fields})


def effect(at_s: float, word: str, task_id: str, attempt: int = 1, pid: int = 1) -> Effect:
    return Effect(at_s=at_s, word=word, task_id=task_id, attempt=attempt, pid=pid)


def ran(task_id: str, at_s: float, attempt: int = 1, pid: int = 1) -> tuple[Effect, Effect]:
    return effect(at_s, "start", task_id, attempt, pid), effect(at_s + 2, "end", task_id, attempt, pid)


def life(task_id: str, *events: str) -> tuple[Event, ...]:
    return tuple(Event(task_id=task_id, event=event, at_s=float(number)) for number, event in enumerate(events))


def clean() -> History:
    """Return a history in which a kill at 11 s took `b` from process 2; it ran again at 18 s."""
    return History(
        submissions=tuple(Submission(task_id=i, accepted_s=0, session=i, key=i) for i in "abc"),
        records={
            "a": record("a"),
            "b": record("b"),
            "c": record("c", state=TaskState.FAILED, dead=True, priority=Priority.LOW, retries=1, attempts=()),
        },
        effects=(
            *ran("a", 1),
            effect(10, "start", "b", pid=2),
            *ran("b", 18, attempt=2),
            *ran("c", 21),
            *ran("c", 25, attempt=2),
        ),
        events=(
            *life("a", "created", "started", "completed"),
            *life("b", "created", "started", "started", "completed"),
            *life("c", "created", "started", "retrying", "started", "failed"),
        ),
        faults=(Fault(at_s=11, until_s=11, slots=1, pids=frozenset({2})),),
        percents=tuple(Percent(task_id="a", attempt=1, percent=percent) for percent in (0, 40, 40, 100)),
        seen=(Seen(session="a", owner="a", task_id="a"),),
        occurrences=(
            Occurrence(schedule="s", planned_s=60, fired=1),
            Occurrence(schedule="s", planned_s=120, fired=0, missed=1),
        ),
        dead_letters=("c",),
        counts={"dispatched": 3, "completed": 2, "failed": 1},
        keys_before=frozenset({"mt:counts"}),
        keys_after=frozenset({"mt:counts", "mt:task:a", "mt:stream"}),
        running_per_session=1,
    )


def add(name: str, *values: Any) -> Callable[[History], History]:
    return lambda history: replace(history, **{name: (*getattr(history, name), *values)})


def put(task_id: str, **fields: Any) -> Callable[[History], History]:
    def change(history: History) -> History:
        changed = replace(history.records[task_id], **fields)
        return replace(history, records={**history.records, task_id: changed})

    return change


def swap(name: str, value: Any) -> Callable[[History], History]:
    return lambda history: replace(history, **{name: value})


TWICE = tuple(Attempt(attempt=n, worker="w", pid=n, started_ms=0, ended_ms=1, outcome="completed") for n in (1, 2))
KILLS = tuple(Fault(at_s=100 + n, until_s=100 + n, slots=1) for n in range(9))

SEEDED: list[tuple[str, str, list[Callable[[History], History]]]] = [
    ("I1", "was lost", [add("submissions", Submission(task_id="lost", accepted_s=0))]),
    ("I1", "never ends", [put("a", state=TaskState.RUNNING)]),
    ("I2", "comes from nowhere", [add("effects", *ran("ghost", 40))]),
    ("I3", "is moved after its end", [add("events", *life("a", "started"))]),
    ("I4", "has two results", [put("a", attempts=TWICE)]),
    ("I5", "ran twice at once", [
        swap("running_per_session", None),
        swap("effects", (effect(1, "start", "a"), effect(2, "start", "a", 2, 3), effect(30, "end", "a"),
                         effect(31, "end", "a", 2, 3), *ran("b", 40), *ran("c", 50))),
    ]),
    ("I6", "starts for ever", [
        add("faults", *KILLS), add("effects", *(effect(60 + n, "start", "a", n) for n in range(2, 9)))]),
    ("I7", "starts an attempt twice", [add("faults", *KILLS), add("effects", effect(90, "start", "a"))]),
    ("I8", "starts again without a cause", [add("effects", *ran("a", 60, 2))]),
    ("I9", "overtakes", [put("a", priority=Priority.LOW), put("b", priority=Priority.HIGH)]),
    ("I10", "is dead and not shelved", [swap("dead_letters", ())]),
    ("I10", "is shelved twice", [add("dead_letters", "c")]),
    ("I10", "is shelved alive", [add("dead_letters", "a")]),
    ("I11", "fires twice", [add("occurrences", Occurrence(schedule="s", planned_s=180, fired=2))]),
    ("I12", "passes silently", [add("occurrences", Occurrence(schedule="s", planned_s=180, fired=0))]),
    ("I13", "makes two tasks of one key", [swap("submissions", tuple(
        Submission(task_id=i, accepted_s=0, session=i, key="same") for i in "abc"))]),
    ("I14", "miscounts", [swap("counts", {"dispatched": 4, "completed": 2, "failed": 1})]),
    ("I15", "goes back", [add("percents", Percent(task_id="a", attempt=1, percent=99))]),
    ("I16", "shows what is another's", [add("seen", Seen(session="b", owner="a", task_id="a"))]),
    ("I17", "gives a session two slots", [swap("submissions", tuple(
        Submission(task_id=i, accepted_s=0, session="one", key=i) for i in "abc")), swap("running_per_session", 1),
        swap("effects", (*ran("a", 1), *ran("b", 2), *ran("c", 9)))]),
    ("I18", "keeps a message of an ended task", [swap("queued", ("a",))]),
    ("I18", "forgets a message", [swap("live", frozenset({"a"})), swap("counts", {})]),
    ("I19", "leaves keys behind", [swap("keys_after", frozenset({"mq:{q}:leases"}))]),
    ("I20", "starts too late", [put("a", expires_ms=500)]),
]  # fmt: skip


def test_a_clean_history_is_clean() -> None:
    assert check(clean()) == []


def test_every_invariant_is_there_and_every_one_is_seeded() -> None:
    assert set(INVARIANTS) == {f"I{number}" for number in range(1, 21)}
    assert {name for name, _, _ in SEEDED} == set(INVARIANTS)


@pytest.mark.parametrize(("name", "changes"), [pytest.param(n, c, id=f"{n} {what}") for n, what, c in SEEDED])
def test_a_seeded_violation_is_found_and_nothing_else(name: str, changes: list[Callable[[History], History]]) -> None:
    history = clean()
    for change in changes:
        history = change(history)
    found = check(history)
    assert {violation.invariant for violation in found} == {name}
    assert all(violation.evidence for violation in found)


def test_a_stopped_process_does_not_overlap_while_it_stands_still() -> None:
    woken = (
        effect(1, "start", "a", pid=7),
        effect(9, "start", "a", 2),
        effect(40, "end", "a", 2),
        effect(41, "end", "a", pid=7),
    )
    pause = Fault(at_s=2, until_s=39, slots=1, pids=frozenset({7}), kills=False)
    history = replace(
        clean(), effects=(*woken, *ran("b", 50), *ran("c", 60)), faults=(pause,), running_per_session=None
    )
    assert check(history) == []
    assert {violation.invariant for violation in check(replace(history, faults=()))} == {"I5", "I8"}


def test_the_effects_log_gives_back_what_was_written(tmp_path: Path) -> None:
    log = tmp_path / "effects"
    effects.write(log, "start", "a", 1)
    effects.write(log, "end", "a", 1)
    assert [(one.word, one.task_id, one.attempt) for one in effects.read(log)] == [("start", "a", 1), ("end", "a", 1)]
    assert effects.read(tmp_path / "absent") == ()
