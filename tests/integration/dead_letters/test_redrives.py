"""Redrives requeue at a rate, in order; they are held, ended, stopped by failures, and taken up by other processes."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from meetingtasks.dead_letters import Redrive, RedrivePlan, Where
from meetingtasks.errors import InvalidPayload, TaskConflict, TaskNotFound
from meetingtasks.store import keys
from tests.support.dead_letters import Graveyard
from tests.support.eventually import eventually
from tests.support.processes import ROOT, RunningProcess

FAST = RedrivePlan(rate_per_s=5000)
#: how many letters the test has that kills the process which drives
KILLED = int(os.environ.get("DLQ_LETTERS", "400"))


@pytest.fixture
def driving(yard: Graveyard) -> Iterator[Callable[[str], threading.Thread]]:
    """Drive a redrive in a thread, which has ended when the test ends."""
    started: list[tuple[str, threading.Thread]] = []

    def drive(redrive_id: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: yard.letters.redrives.drive(redrive_id, actor="thread"))
        started.append((redrive_id, thread))
        thread.start()
        return thread

    yield drive
    for redrive_id, thread in started:
        if yard.letters.redrives.get(redrive_id).state == "running":
            yard.letters.redrives.abort(redrive_id, actor="test")
        thread.join(20)
        assert not thread.is_alive()


def drive(yard: Graveyard, plan: RedrivePlan = FAST, where: Where | None = None) -> Redrive:
    planned = yard.letters.redrives.plan(where or Where(), plan, actor="mei")
    return yard.letters.redrives.drive(planned.id, actor="mei")


def test_all_letters_that_are_meant_go_in_order_and_each_once(yard: Graveyard) -> None:
    ids = yard.bury_many(350)
    yard.bury("other", code="disk_full")
    seen: list[int] = []
    planned = yard.letters.redrives.plan(Where(code="dns"), FAST, actor="mei")
    ended = yard.letters.redrives.drive(planned.id, actor="mei", on_progress=lambda now: seen.append(now.requeued))
    assert (ended.state, ended.matched, ended.requeued, ended.refused) == ("done", 350, 350, 0)
    assert yard.waiting() == ids
    assert yard.store.dead_ids() == ["other"]
    assert seen == sorted(seen)
    assert seen[-1] == 350
    assert {act["actor"] for act in yard.letters.audit(1000)} == {"mei"}


def test_what_fails_again_meanwhile_is_not_sent_a_second_time(yard: Graveyard) -> None:
    ids = yard.bury_many(30)
    planned = yard.letters.redrives.plan(Where(), RedrivePlan(rate_per_s=200), actor="mei")

    def fail(_: Redrive) -> None:
        for leased in yard.queue().fetch(100, consumer="me"):
            yard.fail(leased.id.rpartition(":")[0])
            yard.queue().ack([leased])

    ended = yard.letters.redrives.drive(planned.id, actor="mei", on_progress=fail)
    fail(ended)
    assert ended.requeued == 30
    assert {record.generation for record in map(yard.record, ids)} == {2}
    assert (yard.letters.redrives.get(planned.id).failed, yard.letters.count()) == (30, 30)


def test_a_limit_is_kept_and_what_cannot_go_is_counted(yard: Graveyard) -> None:
    ids = yard.bury_many(10)
    yard.store.client.hdel(keys.task(ids[1]), "payload")
    ended = drive(yard, RedrivePlan(rate_per_s=5000, limit=4))
    assert (ended.state, ended.requeued, ended.refused) == ("done", 4, 1)
    assert yard.waiting() == [ids[0], *ids[2:5]]


def test_the_others_wait_until_the_canary_has_ended(yard: Graveyard, driving: Callable[[str], object]) -> None:
    ids = yard.bury_many(60)
    plan = RedrivePlan(rate_per_s=5000, canary=5, stop_above_percent=50)
    planned = yard.letters.redrives.plan(Where(), plan, actor="mei")
    driving(planned.id)
    eventually(lambda: yard.waiting() == ids[:5])
    for task_id in ids[:4]:
        yard.complete(task_id)
    eventually(lambda: yard.letters.redrives.get(planned.id).ended == 4)
    assert len(yard.waiting()) == 5
    yard.fail(ids[4])
    eventually(lambda: yard.letters.redrives.get(planned.id).state == "done")
    ended = yard.letters.redrives.get(planned.id)
    assert (ended.requeued, ended.ended, ended.failed) == (60, 5, 1)


def test_a_redrive_whose_canary_fails_is_stopped(yard: Graveyard, driving: Callable[[str], object]) -> None:
    ids = yard.bury_many(30)
    plan = RedrivePlan(rate_per_s=5000, canary=4, stop_above_percent=50)
    planned = yard.letters.redrives.plan(Where(), plan, actor="mei")
    driving(planned.id)
    eventually(lambda: yard.waiting() == ids[:4])
    yard.complete(ids[0])
    for task_id in ids[1:4]:
        yard.fail(task_id)
    eventually(lambda: yard.letters.redrives.get(planned.id).state == "stopped")
    ended = yard.letters.redrives.get(planned.id)
    assert (ended.requeued, ended.failed, ended.reason) == (4, 3, "75 % of the ended tasks failed again")
    assert yard.letters.count() == 29


def test_a_redrive_is_paused_taken_up_and_aborted(yard: Graveyard, driving: Callable[[str], threading.Thread]) -> None:
    ids = yard.bury_many(500)
    redrives = yard.letters.redrives
    planned = redrives.plan(Where(), RedrivePlan(rate_per_s=100), actor="mei")
    first = driving(planned.id)
    eventually(lambda: redrives.get(planned.id).requeued >= 5)
    redrives.pause(planned.id, actor="jun")
    first.join(20)
    paused = redrives.get(planned.id)
    assert paused.state == "paused"
    _, waiting = yard.check(ids)
    assert len(waiting) == paused.requeued < 500
    second = driving(planned.id)
    eventually(lambda: redrives.get(planned.id).requeued > paused.requeued)
    redrives.abort(planned.id, actor="jun")
    second.join(20)
    with pytest.raises(TaskConflict, match="is aborted"):
        redrives.drive(planned.id, actor="mei")
    _, waiting = yard.check(ids)
    assert len(waiting) == redrives.get(planned.id).requeued < 500
    acts = [(act["action"], act["actor"]) for act in yard.letters.audit(10_000) if act["action"] != "requeue"]
    assert acts[0] == ("redrive aborted", "jun")
    assert ("redrive paused", "jun") in acts


def test_of_two_processes_that_drive_the_later_one_does(
    yard: Graveyard, driving: Callable[[str], threading.Thread]
) -> None:
    ids = yard.bury_many(300)
    redrives = yard.letters.redrives
    planned = redrives.plan(Where(), RedrivePlan(rate_per_s=200), actor="mei")
    first = driving(planned.id)
    eventually(lambda: redrives.get(planned.id).requeued >= 5)
    ended = redrives.drive(planned.id, actor="jun")
    first.join(20)
    assert not first.is_alive()
    assert (ended.state, ended.requeued, ended.refused) == ("done", 300, 0)
    assert yard.waiting() == ids


@pytest.mark.parametrize(
    "plan",
    [
        RedrivePlan(rate_per_s=0),
        RedrivePlan(rate_per_s=float("nan")),
        RedrivePlan(rate_per_s=1, canary=-1),
        RedrivePlan(rate_per_s=1, limit=0),
        RedrivePlan(rate_per_s=1, stop_above_percent=101),
    ],
)
def test_a_plan_out_of_range_is_refused(yard: Graveyard, plan: RedrivePlan) -> None:
    with pytest.raises(InvalidPayload, match="must be"):
        yard.letters.redrives.plan(Where(), plan, actor="mei")
    assert yard.letters.redrives.all() == []


def test_a_redrive_that_nobody_made_is_not_there(yard: Graveyard) -> None:
    with pytest.raises(TaskNotFound):
        yard.letters.redrives.get("nobody")


@pytest.mark.chaos
def test_i10_the_process_that_drives_is_killed_and_each_letter_is_in_one_place(
    yard: Graveyard, start_process: Callable[..., RunningProcess]
) -> None:
    ids = yard.bury_many(KILLED)
    command = [sys.executable, "-m", "meetingtasks.cli", "dlq", "redrive"]
    env = {"MT_BROKER_URL": yard.url, "PYTHONPATH": str(ROOT)}
    process = start_process([*command, "start", "--rate", "200"], env=env)
    redrive_id = eventually(yard.letters.redrives.all, 30)[0].id

    def requeued() -> int:
        return yard.letters.redrives.get(redrive_id).requeued

    for share in (0.1, 0.3, 0.6):
        eventually(lambda wanted=KILLED * share: requeued() >= wanted, 60)
        process.send(signal.SIGKILL)
        process.wait()
        _, waiting = yard.check(ids)
        assert requeued() == len(waiting) < KILLED
        process = start_process([*command, "resume", redrive_id], env=env)
    assert process.wait(90) == 0
    assert yard.check(ids) == (set(), set(ids))
    assert yard.waiting() == ids
