"""Invariants of each task by itself: accepted, started, run and ended as promised."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from meetingtasks.states import TaskState
from tests.support.history.model import FINAL, History
from tests.support.history.runs import CodeRun, runs, stood_still_s


def i1_one_final_state(history: History) -> Iterator[str]:
    """Every accepted task comes to exactly one final state."""
    for submission in history.submissions:
        record = history.records.get(submission.task_id)
        if record is None:
            yield f"{submission.task_id} was accepted and has no record"
        elif not record.state.is_final:
            yield f"{submission.task_id} is {record.state} for ever"


def i2_started_was_submitted(history: History) -> Iterator[str]:
    """Nothing runs that was not asked for."""
    asked = {submission.task_id for submission in history.submissions}
    for task_id in {effect.task_id for effect in history.effects} - asked:
        yield f"{task_id} ran and nobody had submitted it"


def i3_final_states_stay(history: History) -> Iterator[str]:
    """Nothing happens to a task after its end, but being requeued."""
    for task_id in {event.task_id for event in history.events}:
        for before, after in pairwise(history.events_of(task_id)):
            if before.event in FINAL and after.event not in ("requeued", "dlq.added", "dead"):
                yield f"{task_id}: {after.event} after {before.event}"


def i4_one_committed_result(history: History) -> Iterator[str]:
    """At most one attempt's result was taken."""
    for task_id, record in history.records.items():
        taken = [attempt.attempt for attempt in record.attempts if attempt.outcome == "completed"]
        if len(taken) > 1:
            yield f"{task_id}: the results of attempts {taken} were taken"


def i5_runs_do_not_overlap(history: History) -> Iterator[str]:
    """Two runs of a task live side by side for at most a lease."""
    by_task: dict[str, list[CodeRun]] = {}
    for run in sorted(runs(history), key=lambda run: run.start_s):
        for earlier in by_task.setdefault(run.task_id, []):
            both_s = run.overlap_s(earlier) - stood_still_s(history, earlier)
            if both_s > history.lease_s + history.slack_s:
                yield f"{run.task_id}: attempts {earlier.attempt} and {run.attempt} ran together for {both_s:.1f} s"
        by_task[run.task_id].append(run)


def i6_starts_are_bounded(history: History) -> Iterator[str]:
    """No task starts more often than its retries and the crashes allowed."""
    for task_id, record in history.records.items():
        starts, most = len(history.starts_of(task_id)), 1 + record.retries + history.crashes_allowed
        if starts > most:
            yield f"{task_id} started {starts} times, at most {most} were allowed"


def i7_an_attempt_starts_once(history: History) -> Iterator[str]:
    """Each number of an attempt is used once."""
    numbers = Counter((effect.task_id, effect.attempt) for effect in history.effects if effect.word == "start")
    for (task_id, attempt), times in numbers.items():
        if times > 1:
            yield f"{task_id}: attempt {attempt} started {times} times"


def i8_extra_starts_have_a_cause(history: History) -> Iterator[str]:
    """More starts than tasks and planned retries are explained by faults: one for each slot that a fault hit."""
    extra = extra_starts(history)
    allowed = sum(fault.slots for fault in history.faults)
    if extra > allowed:
        yield f"{extra} starts too many, {allowed} are explained by faults"


def extra_starts(history: History) -> int:
    """Count the starts beyond the first one of each task and its planned retries."""
    starts = Counter(effect.task_id for effect in history.effects if effect.word == "start")
    planned = {task_id: 1 + record.retries for task_id, record in history.records.items()}
    return sum(max(0, number - planned.get(task_id, 1)) for task_id, number in starts.items())


def i10_dead_is_in_the_dead_letters(history: History) -> Iterator[str]:
    """Dead is what is among the dead letters, once, and nothing else."""
    shelved = Counter(history.dead_letters)
    for task_id, record in history.records.items():
        wanted = 1 if record.dead else 0
        if shelved[task_id] != wanted:
            yield f"{task_id} is {'' if record.dead else 'not '}dead and {shelved[task_id]} times a dead letter"
        if record.state is TaskState.FAILED and not record.dead:
            yield f"{task_id} failed and is not dead"


def i20_no_start_after_the_deadline(history: History) -> Iterator[str]:
    """No task starts after its start-by time."""
    for effect in history.effects:
        record = history.records.get(effect.task_id)
        limit_ms = record.expires_ms if record is not None else None
        if effect.word == "start" and limit_ms is not None and effect.at_s > limit_ms / 1000 + history.slack_s:
            yield f"{effect.task_id} started {effect.at_s - limit_ms / 1000:.2f} s after its start-by time"
