"""Payloads are corrected and letters given up; who did it is kept."""

import json

import pytest

from meetingtasks.dead_letters import Where
from meetingtasks.errors import InvalidPayload, TaskConflict
from meetingtasks.states import TaskState
from meetingtasks.store import keys
from tests.support.dead_letters import Graveyard

TRANSCODE = {"type": "emotion_detection", "name": "meetingtasks.ai.emotion_detection", "queue": "ai_tasks"}


def test_a_payload_is_corrected_with_both_kept_and_requeued(yard: Graveyard) -> None:
    yard.bury("a")
    assert yard.letters.edit("a", {"echo": "corrected"}, actor="mei").payload == {"echo": "corrected"}
    yard.letters.requeue(["a"], actor="mei")
    (message,) = yard.queue().peek(10)
    assert json.loads(json.loads(message.payload)["body"])[1] == {"echo": "corrected"}
    edit = yard.letters.audit()[-1]
    assert (edit["action"], edit["actor"], edit["task"]) == ("edit", "mei", "a")
    assert (json.loads(edit["before"]), json.loads(edit["after"])) == ({"echo": "hello"}, {"echo": "corrected"})


def test_a_payload_that_does_not_fit_its_type_is_refused(yard: Graveyard) -> None:
    yard.bury("a", values={**TRANSCODE, "payload": {"text": "good"}})
    with pytest.raises(InvalidPayload, match="unknown field tetx; did you mean text"):
        yard.letters.edit("a", {"tetx": "hello"}, actor="me")
    assert yard.letters.get("a").payload == {"text": "good"}
    assert yard.letters.audit() == []


def test_only_a_letter_is_edited_and_only_as_it_was_seen(yard: Graveyard) -> None:
    yard.bury("a")
    store = yard.letters._store
    assert store.edit("a", '{"x":1}', before='{"another":1}', actor="me") is False
    yard.letters.requeue(["a"], actor="me")
    with pytest.raises(TaskConflict):
        yard.letters.edit("a", {}, actor="me")
    assert store.edit("a", "{}", before='{"echo":"hello"}', actor="me") is False


def test_d1_29_x_07_letters_are_given_up_by_id_and_by_condition(yard: Graveyard) -> None:
    yard.bury_many(130)
    yard.bury("other", code="disk_full")
    assert yard.letters.purge(["letter-00000", "letter-00000", "nobody"], actor="mei") == 1
    assert yard.letters.purge_matching(Where(code="dns"), actor="mei") == 129
    assert [letter.id for letter in yard.letters.find().letters] == ["other"]
    assert [group.code for group in yard.letters.groups()] == ["disk_full"]
    acts = yard.letters.audit(1000)
    assert len(acts) == yard.store.counts()["purged"] == 130
    assert {(act["action"], act["actor"], act["error_code"]) for act in acts} == {("purge", "mei", "dns")}


def test_a_letter_that_was_given_up_ends_like_any_other_task(yard: Graveyard) -> None:
    yard.bury("a")
    assert yard.store.client.ttl(keys.task("a")) == -1
    yard.letters.purge(["a"], actor="me")
    record = yard.record("a")
    assert (record.state, record.dead) == (TaskState.FAILED, False)
    assert yard.store.client.ttl(keys.task("a")) > 0
    assert "a" in yard.letters.requeue(["a"], actor="me").refused
