"""A requeue takes the mark away, opens a new generation and puts the message into the queue, all at once."""

import json
import threading

from meetingtasks.broker import Outgoing
from meetingtasks.companion import COMPANION
from meetingtasks.dead_letters import Where
from meetingtasks.errors import BusinessError, TaskConflict, TaskNotFound
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from meetingtasks.store.runs import RunStore
from meetingtasks.store.scripts import load
from meetingtasks.store.tasks import Refused
from tests.support.dead_letters import NAME, Graveyard


def message_in(yard: Graveyard, name: str = "custom_tasks") -> dict[str, object]:
    """Return the one message of a queue."""
    (message,) = yard.queue(name).peek(10)
    return dict(json.loads(message.payload))


def test_d1_29_a_requeued_letter_is_a_waiting_task_of_a_new_generation_with_its_history(yard: Graveyard) -> None:
    yard.bury("a", values={"meeting_id": 456})
    outcome = yard.letters.requeue(["a"], actor="mei")
    assert (outcome.task_ids, dict(outcome.refused)) == (("a",), {})
    record = yard.record("a")
    assert (record.state, record.dead, record.error, record.generation) == (TaskState.PENDING, False, None, 2)
    assert (record.retry_count, record.attempt) == (0, 1)
    (earlier,) = record.earlier
    assert earlier.error is not None
    assert (earlier.generation, earlier.state, earlier.error.code, earlier.requeued_by) == (1, "failed", "dns", "mei")
    assert [attempt.outcome for attempt in record.attempts] == ["failed"]
    yard.check(["a"])
    assert yard.store.live_ids() == ["a"]
    assert yard.letters.groups() == []
    assert [(act["action"], act["task"], act["actor"]) for act in yard.letters.audit()] == [("requeue", "a", "mei")]


def test_the_message_has_the_payload_and_all_that_the_last_one_carried(yard: Graveyard) -> None:
    chain = [{"task": "next", "args": [], "kwargs": {}, "options": {}}]
    carried = {"chain": chain, "group": "g", "timelimit": [9, 5], "mt_key": "456"}
    yard.bury("a", values={"queue": "q", "payload": {"x": "文"}}, carried=carried)
    yard.letters.requeue(["a"], actor="me")
    message = message_in(yard, "q")
    args, kwargs, embedded = json.loads(str(message["body"]))
    assert (args, kwargs, embedded["chain"]) == ([], {"x": "文"}, chain)
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert [headers[name] for name in ("id", "task", "group", "timelimit", "mt_key")] == ["a", NAME, "g", [9, 5], "456"]
    assert yard.queue("q").peek(1)[0].key == "456"


def test_a_letter_may_go_to_another_queue_that_may_run_its_type_and_to_no_other(yard: Graveyard) -> None:
    yard.bury("a")
    refused = yard.letters.requeue(["a"], actor="me", queue="media_tasks").refused["a"]
    assert isinstance(refused, BusinessError)
    assert refused.code == "wrong_queue"
    yard.check(["a"])
    yard.letters.requeue(["a"], actor="me", queue="cpu_intensive")
    assert yard.waiting("cpu_intensive") == ["a"]
    assert yard.record("a").queue == "cpu_intensive"


def test_what_is_no_letter_is_not_requeued(yard: Graveyard) -> None:
    yard.bury("a")
    yard.letters.requeue(["a"], actor="me")
    outcome = yard.letters.requeue(["a", "nobody"], actor="me")
    assert outcome.task_ids == ()
    assert isinstance(outcome.refused["a"], TaskConflict)
    assert isinstance(outcome.refused["nobody"], TaskNotFound)
    assert yard.waiting() == ["a"]


def test_d2_37_as_many_as_wanted_are_requeued_the_oldest_first(yard: Graveyard) -> None:
    ids = yard.bury_many(250)
    outcome = yard.letters.requeue_matching(Where(code="dns"), actor="me", limit=120)
    assert list(outcome.task_ids) == ids[:120] == yard.waiting()
    assert yard.letters.count() == 130
    assert len(yard.letters.requeue_matching(Where(), actor="me").task_ids) == 130
    yard.check(ids)
    assert yard.store.counts()["requeued"] == yard.store.counts()["custom_tasks:requeued"] == 250


def test_of_many_who_requeue_one_letter_at_once_one_does(yard: Graveyard) -> None:
    ids = yard.bury_many(20)
    went: list[str] = []

    def requeue() -> None:
        went.extend(yard.letters.requeue(ids, actor="me").task_ids)

    threads = [threading.Thread(target=requeue) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(went) == ids
    yard.check(ids)


def test_a_message_of_an_earlier_generation_neither_starts_the_task_nor_ends_it(yard: Graveyard) -> None:
    yard.bury("a")
    yard.letters.requeue(["a"], actor="me")
    assert yard.start("a", number=0) == Refused("stale")
    stale = {"headers": {"id": "a", "task": "n", "retries": 0}}
    pipe = yard.store.client.pipeline(transaction=True)
    pipe.script_load(load("finish").source)
    COMPANION.on_dead(pipe, stale, "worker_lost")
    COMPANION.on_expired(pipe, stale)
    assert pipe.execute()[1:] == ["stale", "stale"]
    assert yard.record("a").state is TaskState.PENDING


def test_the_message_of_the_dead_attempt_may_still_be_leased(yard: Graveyard) -> None:
    yard.queue().enqueue_many([Outgoing(id="a:0", payload=b"{}")])
    yard.queue().fetch(1, consumer="me")
    yard.bury("a")
    yard.letters.requeue(["a"], actor="me")
    assert yard.waiting() == ["a"]


def test_a_start_by_time_that_has_passed_does_not_end_a_requeued_task(yard: Graveyard) -> None:
    yard.bury("a")
    yard.store.client.hset(keys.task("a"), "expires_ms", 1)
    yard.letters.requeue(["a"], actor="me")
    assert not isinstance(yard.start("a"), Refused)


def test_a_letter_dies_again_as_a_letter_of_its_new_generation(yard: Graveyard) -> None:
    yard.bury("a")
    for generation in (2, 3):
        yard.letters.requeue(["a"], actor="me")
        yard.fail("a", code=f"code{generation}")
        assert yard.store.dead_ids() == ["a"]
        assert [group.code for group in yard.letters.groups()] == [f"code{generation}"]
    record = yard.record("a")
    assert [life.error.code for life in record.earlier if life.error] == ["dns", "code2"]
    assert [attempt.attempt for attempt in record.attempts] == [1, 2, 3]


def test_a_run_is_rerun_and_not_requeued(yard: Graveyard) -> None:
    about = {"type": "process_recording", "name": "meetingtasks.meeting.process_recording", "queue": "meeting_tasks"}
    for task_id in ("begun", "never-begun"):
        yard.bury(task_id, values=about)
    runs = RunStore(yard.store.client)
    runs.create("begun", {}, token="")
    outcome = yard.letters.requeue(["begun", "never-begun"], actor="me")
    assert "meetingtasks rerun begun" in outcome.refused["begun"].message
    assert outcome.task_ids == ("never-begun",)
    assert yard.letters.get("begun").dead


def test_a_task_without_a_payload_on_record_is_not_sent_again(yard: Graveyard) -> None:
    yard.bury("a")
    yard.store.client.hdel(keys.task("a"), "payload")
    assert "payload" in yard.letters.requeue(["a"], actor="me").refused["a"].message
