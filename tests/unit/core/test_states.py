"""The states, their names and the moves between them."""

import pytest

from meetingtasks.states import FINAL, LIVE, MOVES, STATE_ALIASES, WAITING, ErrorClass, Priority, TaskState


def test_every_state_is_either_waiting_running_or_final() -> None:
    assert set(TaskState) == WAITING | {TaskState.RUNNING} | FINAL
    assert not WAITING & FINAL
    assert WAITING | {TaskState.RUNNING} == LIVE
    assert {state for state in TaskState if state.is_final} == FINAL


def test_every_state_has_its_moves_and_final_ones_are_left_by_a_requeue_alone() -> None:
    assert set(MOVES) == set(TaskState)
    for state in FINAL:
        assert MOVES[state] <= {TaskState.PENDING}


@pytest.mark.parametrize("state", sorted(LIVE))
def test_every_live_state_can_reach_each_end_that_applies_to_it(state: TaskState) -> None:
    assert {TaskState.CANCELLED, TaskState.EXPIRED, TaskState.FAILED, TaskState.TIMEOUT} <= MOVES[state]


def test_only_a_running_task_completes() -> None:
    assert [state for state in TaskState if TaskState.COMPLETED in MOVES[state]] == [TaskState.RUNNING]


@pytest.mark.parametrize(("word", "state"), STATE_ALIASES.items())
def test_the_words_of_earlier_systems_are_understood(word: str, state: str) -> None:
    assert TaskState.parse(word) is TaskState.parse(f" {word.upper()} ") is TaskState(state)


def test_an_unknown_word_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match="'bogus'; use one of buffered, scheduled, pending"):
        TaskState.parse("bogus")


def test_priorities_are_ordered_by_level() -> None:
    assert [priority.level for priority in (Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW)] == [
        0,
        1,
        2,
        3,
    ]


def test_there_are_four_classes_of_errors() -> None:
    assert list(ErrorClass) == ["network", "transient", "resource", "business"]
