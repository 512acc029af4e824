"""Invariants of many tasks together: order, counts, places, sessions and schedules."""

import re
from collections import defaultdict
from collections.abc import Iterator

from meetingtasks.states import Priority
from tests.support.history.model import FINAL, History
from tests.support.history.runs import runs

RANKS = {priority: rank for rank, priority in enumerate(Priority)}
#: keys that stay when nothing waits or runs: what happened, a queue's sequence, and what kombu keeps
LASTING = re.compile(r"mt:(task:|stream|counts|dead)|mq:\{[^}]+\}:state$|_kombu\.")


def i9_no_priority_inversion(history: History) -> Iterator[str]:
    """No task starts while a more important one of its queue waits."""
    first: dict[str, float] = {}
    for effect in history.effects:
        if effect.word == "start":
            first.setdefault(effect.task_id, effect.at_s)
    waiting = {submission.task_id: submission.accepted_s for submission in history.submissions}
    for task_id, at_s in first.items():
        mine = history.records.get(task_id)
        for other_id, accepted_s in waiting.items() if mine is not None else ():
            other = history.records.get(other_id)
            if other is None or other.queue != mine.queue or RANKS[other.priority] >= RANKS[mine.priority]:
                continue
            until_s = first.get(other_id, 0.0)
            waited = accepted_s + history.slack_s < at_s < until_s - history.slack_s
            if waited and not _was_held_up(history, accepted_s, until_s):
                yield f"{task_id} ({mine.priority}) started while {other_id} ({other.priority}) waited"


def _was_held_up(history: History, accepted_s: float, until_s: float) -> bool:
    """Tell whether a fault may have hit the worker that had just taken the task: until its lease ends nobody has it."""
    return any(fault.at_s < until_s and accepted_s < fault.until_s + history.lease_s for fault in history.faults)


def i11_an_occurrence_fires_once(history: History) -> Iterator[str]:
    """Each planned time of a schedule fires at most once."""
    for one in history.occurrences:
        if one.fired > 1:
            yield f"{one.schedule} at {one.planned_s:.0f} fired {one.fired} times"


def i12_due_is_fired_or_missed(history: History) -> Iterator[str]:
    """No planned time passes without a trace."""
    for one in history.occurrences:
        if not one.fired and not one.missed:
            yield f"{one.schedule} at {one.planned_s:.0f} neither fired nor was it recorded as missed"


def i13_one_key_one_task(history: History) -> Iterator[str]:
    """One idempotency key gives one task."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for submission in history.submissions:
        if submission.key is not None:
            by_key[submission.key].add(submission.task_id)
    for key, ids in by_key.items():
        if len(ids) > 1:
            yield f"the key {key} gave {sorted(ids)}"


def i14_counters_add_up(history: History) -> Iterator[str]:
    """Whatever was accepted is waiting, running or ended, by the counters as by the indexes."""
    if not history.counts:
        return
    accepted = history.counts.get("dispatched", 0) + history.counts.get("requeued", 0)
    ended = {state: history.counts.get(state, 0) for state in FINAL}
    if accepted != len(history.live) + sum(ended.values()):
        yield f"{accepted} accepted, {len(history.live)} live, ended: {ended}"


def i15_percent_never_falls(history: History) -> Iterator[str]:
    """Within an attempt the percent only grows."""
    highest: dict[tuple[str, int], float] = {}
    for read in history.percents:
        before = highest.get((read.task_id, read.attempt), 0.0)
        if read.percent < before:
            yield f"{read.task_id}: attempt {read.attempt} fell from {before:g} to {read.percent:g} percent"
        highest[read.task_id, read.attempt] = max(before, read.percent)


def i16_a_session_sees_its_own(history: History) -> Iterator[str]:
    """Nobody is shown a task of another session."""
    for seen in history.seen:
        if seen.session != seen.owner:
            yield f"session {seen.session} saw {seen.task_id} of {seen.owner}"


def i17_running_per_session_is_limited(history: History) -> Iterator[str]:
    """At no moment more tasks of a session run than its limit."""
    limit = history.running_per_session
    session_of = {submission.task_id: submission.session for submission in history.submissions}
    moments: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for run in runs(history) if limit is not None else ():
        moments[session_of.get(run.task_id, "")] += [(run.start_s, 1), (run.end_s, -1)]
    for session, changes in moments.items():
        running = most = 0
        for _, change in sorted(changes):
            running += change
            most = max(most, running)
        if limit is not None and session and most > limit:
            yield f"session {session} had {most} tasks running, its limit is {limit}"


def i18_places_and_records_agree(history: History) -> Iterator[str]:
    """Every message belongs to a live record, every live record has one message."""
    held = [*history.queued, *history.leased]
    for task_id in set(held):
        if held.count(task_id) > 1:
            yield f"{task_id} has {held.count(task_id)} messages"
        if task_id not in history.live:
            yield f"{task_id} has a message and is not live"
    for task_id in history.live - set(held):
        yield f"{task_id} is live and has no message"


def i19_nothing_is_left_behind(history: History) -> Iterator[str]:
    """When nothing waits or runs, no key is there for ever that was not there before, but what happened."""
    if history.queued or history.leased or history.live:
        return
    for key in sorted(history.keys_after - history.keys_before):
        if not LASTING.match(key):
            yield f"the key {key} was left behind"
