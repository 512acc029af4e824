"""The commands about dead letters, against a real server."""

import json
from collections.abc import Callable

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import TaskState
from tests.support.dead_letters import Graveyard
from tests.support.processes import RunningProcess


@pytest.fixture
def yard(dispatcher: TaskDispatcher) -> Graveyard:
    return Graveyard(dispatcher)


def test_d1_29_letters_are_counted_listed_shown_requeued_and_purged(mt: Callable, yard: Graveyard) -> None:
    yard.bury_many(3)
    yard.bury("other", code="disk_full", error_class="resource")
    assert mt("dlq", "count").out == "4\n"
    assert mt("dlq", "count", "--class", "resource", "--json").document == {"count": 1}
    page = mt("dlq", "list", "--code", "dns", "--limit", "2", "--json").document
    assert [letter["id"] for letter in page["letters"]] == ["letter-00002", "letter-00001"]
    assert mt("dlq", "list", "--code", "dns", "--after", page["after"]).out.count("letter-") == 1
    groups = mt("dlq", "groups", "--json").document
    assert [(group["count"], group["code"]) for group in groups] == [(3, "dns"), (1, "disk_full")]
    assert groups[0]["by"] in mt("dlq", "show", "letter-00000").out
    assert mt("dlq", "requeue", "--fingerprint", groups[0]["by"], "--limit", "2", "--json").document == {
        "requeued": ["letter-00000", "letter-00001"],
        "refused": {},
    }
    assert "2026" not in mt("dlq", "purge", "--all", "--yes", "--actor", "mei").out
    assert yard.letters.count() == 0
    acts = mt("dlq", "audit", "--json").document
    assert {(act["action"], act["task"]) for act in acts} == {
        ("purge", "other"),
        ("purge", "letter-00002"),
        ("requeue", "letter-00000"),
        ("requeue", "letter-00001"),
    }
    assert acts[0]["actor"] == "mei"
    assert "@" in acts[-1]["actor"]


def test_a_payload_is_corrected_and_its_task_runs_again(mt: Callable, yard: Graveyard) -> None:
    yard.bury("a")
    answer = mt("dlq", "edit", "a", "--payload", '{"echo": "corrected"}', "--requeue", "--json")
    assert answer.document == {"task_id": "a", "payload": {"echo": "corrected"}, "requeued": True}
    assert yard.waiting() == ["a"]
    assert "generation" in mt("status", "a", "--json").out


def test_what_cannot_be_done_has_an_exit_code_of_its_own(mt: Callable, yard: Graveyard) -> None:
    yard.bury("a")
    assert mt("dlq", "show", "nobody").code == 1
    assert mt("dlq", "requeue", "a", "nobody").code == 1
    assert mt("dlq", "requeue", "a").code == 1
    assert mt("dlq", "purge", "a", "--yes").code == 1
    assert mt("dlq", "requeue").code == 2
    assert mt("dlq", "requeue", "a", "--all").code == 2
    assert mt("dlq", "purge", "--type", "x", "--all", "--yes").code == 2
    assert mt("dlq", "list", "--since", "yesterday").code == 2
    assert mt("dlq", "redrive", "show", "nobody").code == 1


def test_nothing_is_given_up_where_nobody_can_confirm_it(
    mt_process: Callable[..., RunningProcess], yard: Graveyard
) -> None:
    yard.bury("a")
    process = mt_process("dlq", "purge", "--all")
    assert process.wait() == 2
    assert "add --yes" in process.output
    assert yard.letters.count() == 1


def test_a_redrive_tells_how_it_went_and_can_be_looked_at(mt: Callable, yard: Graveyard) -> None:
    ids = yard.bury_many(20)
    answer = mt("dlq", "redrive", "start", "--rate", "1000", "--json")
    assert answer.code == 0
    assert (answer.document["state"], answer.document["requeued"], answer.document["matched"]) == ("done", 20, 20)
    assert answer.document["id"] in answer.err
    yard.complete(ids[0])
    yard.fail(ids[1])
    shown = mt("dlq", "redrive", "show", answer.document["id"], "--json").document
    assert (shown["ended"], shown["failed"]) == (2, 1)
    assert "driver" not in shown
    assert answer.document["id"] in mt("dlq", "redrive", "list").out
    assert mt("dlq", "redrive", "pause", answer.document["id"]).code == 1


def test_ctrl_c_pauses_a_redrive_which_is_taken_up_later(
    mt: Callable, mt_process: Callable[..., RunningProcess], yard: Graveyard
) -> None:
    ids = yard.bury_many(100)
    process = mt_process("dlq", "redrive", "start", "--rate", "20")
    line = process.wait_for_line("requeued, ")
    assert "/100 requeued" in line
    process.send(2)
    assert process.wait() == 130
    redrive_id = process.wait_for_line("go on with").split()[-1]
    assert mt("dlq", "redrive", "show", redrive_id, "--json").document["state"] == "paused"
    yard.letters.redrives.abort(redrive_id, actor="test")
    assert mt("dlq", "redrive", "resume", redrive_id).code == 1
    yard.check(ids)


@pytest.mark.usefixtures("custom_worker")
def test_a_letter_is_made_by_a_worker_and_runs_again_in_one(mt: Callable, dispatcher: TaskDispatcher) -> None:
    payload = {"fail_times": 1, "echo": "made it"}
    request = {"type": "custom_task_type_1", "payload": payload, "max_retries": 0, "meeting_id": 456}
    ended = dispatcher.dispatch_and_wait(request, 30)
    assert ended.status is TaskState.FAILED
    letter = mt("dlq", "show", ended.task_id, "--json").document
    assert (letter["payload"], letter["error"]["error_class"]) == (payload, "network")
    assert "sample_service.py" in letter["error"]["traceback"]
    assert len(letter["error"]["fingerprint"]) == 12
    assert mt("dlq", "requeue", ended.task_id).code == 0
    again = dispatcher.wait(ended.task_id, 30)
    assert (again.status, again.result["echo"], again.result["attempt"]) == (TaskState.COMPLETED, "made it", 2)
    record = dispatcher.get(ended.task_id)
    assert [attempt.outcome for attempt in record.attempts] == ["failed", "completed"]
    assert json.loads(json.dumps(record.as_dict()))["generation"] == 2
