"""Tasks from the command line: submitted, seen, waited for, cancelled, run again."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from meetingtasks.cli.fleet import Fleet
from meetingtasks.cli.following import follow
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import Priority, TaskState
from meetingtasks.store.runs import RunStore
from meetingtasks.store.tasks import End, Run
from tests.support.eventually import eventually
from tests.support.processes import RunningProcess

TYPE = "custom_task_type_1"


def test_a_submitted_task_has_every_field_that_was_given(mt: Callable, dispatcher: TaskDispatcher) -> None:
    answer = mt(
        *("submit", TYPE, "--payload", '{"echo": "你好"}', "--priority", "high", "--meeting", "456"),
        *("--user", "anna", "--session", "s-1", "--timeout", "30", "--max-retries", "2", "--json"),
    )
    assert (answer.code, answer.document["state"]) == (0, "pending")
    record = dispatcher.get(answer.document["task_id"])
    assert (record.priority, record.meeting_id, record.user_id) == (Priority.HIGH, 456, "anna")
    assert (record.session_id, record.timeout_s, record.max_retries) == ("s-1", 30, 2)
    assert record.payload == {"echo": "你好"}


def test_without_json_the_id_alone_is_on_standard_output(mt: Callable, dispatcher: TaskDispatcher) -> None:
    answer = mt("submit", TYPE)
    assert dispatcher.get(answer.out.strip()).state is TaskState.PENDING
    assert "meetingtasks watch" in answer.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("speech_recogntion",), "unknown_task_type", "did you mean speech_recognition"),
        (("speech_recognition",), "invalid_payload", "audio_url"),
        (("emotion_detection", "--payload", '{"txt": "x"}'), "invalid_payload", "did you mean text"),
        ((TYPE, "--queue", "lunch"), "unknown_queue", "there is no queue 'lunch'"),
        (("audio_denoising", "--payload", '{"audio_url": 5, "channels": 99}'), "invalid_payload", "channels"),
        ((TYPE, "--meeting", "a\x1bb"), "invalid_payload", "meeting_id"),
    ],
)  # fmt: skip
def test_d1_01_a_refused_submission_names_the_field_and_queues_nothing(
    arguments: tuple[str, ...], code: str, told: str, mt: Callable, dispatcher: TaskDispatcher
) -> None:
    answer = mt("submit", *arguments, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, code)
    assert told in answer.document["error"]["message"]
    assert dispatcher.store.live_count() == 0


@pytest.mark.usefixtures("custom_worker")
def test_a_submission_can_wait_for_its_result(mt: Callable) -> None:
    answer = mt("submit", TYPE, "--wait", "20", "--payload", '{"echo": 7, "fail_times": 1}')
    assert (answer.code, answer.document["echo"], answer.document["attempt"]) == (0, 7, 2)
    answer = mt("submit", TYPE, "--wait", "20", "--json")
    assert (answer.code, answer.document["task"]["state"]) == (0, "completed")


@pytest.mark.usefixtures("custom_worker")
def test_a_task_that_fails_while_it_is_waited_for_exits_with_1(mt: Callable) -> None:
    answer = mt("submit", TYPE, "--wait", "20", "--payload", '{"refuse": true}')
    assert (answer.code, answer.out) == (1, "")
    assert "refused on purpose" in answer.err
    answer = mt("submit", TYPE, "--wait", "20", "--payload", '{"refuse": true}', "--json")
    assert (answer.code, answer.document["task"]["error"]["code"]) == (1, "refused")


def test_a_wait_that_is_too_short_exits_with_4_and_the_task_goes_on(mt: Callable, dispatcher: TaskDispatcher) -> None:
    answer = mt("submit", TYPE, "--wait", "0.1", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (4, "wait_timeout")
    assert dispatcher.get_status(answer.document["error"]["details"]["task_id"]) is TaskState.PENDING


def test_the_result_of_an_unfinished_task_exits_with_4(mt: Callable) -> None:
    task_id = mt("submit", TYPE).out.strip()
    answer = mt("result", task_id, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (4, "result_not_ready")


@pytest.mark.usefixtures("custom_worker")
def test_result_and_status_tell_what_a_task_came_to(mt: Callable) -> None:
    task_id = mt("submit", TYPE, "--wait", "20", "--json", "--payload", '{"fail_times": 1}').document["task"]["id"]
    answer = mt("result", task_id)
    assert (answer.code, answer.document["attempt"]) == (0, 2)
    assert mt("result", task_id, "--json").document["task_id"] == task_id
    told = mt("status", task_id).out
    assert re.search(r"retries +1", told)
    assert re.search(r"\b1 .* retrying .*attempt 1 fails on purpose", told)
    assert re.search(r"\b2 .* completed", told)
    document = mt("status", task_id, "--json").document
    assert [attempt["outcome"] for attempt in document["task"]["attempts"]] == ["retrying", "completed"]
    assert document["run"] is None


@pytest.mark.parametrize("command", ["status", "watch", "result", "cancel", "rerun"])
def test_an_unknown_id_is_not_found(command: str, mt: Callable) -> None:
    further = ("--from", "minutes") if command == "rerun" else ()
    answer = mt(command, str(uuid4()), *further, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "task_not_found")


def test_the_overview_counts_and_lists_what_lives(mt: Callable) -> None:
    answer = mt("status")
    assert answer.out.startswith("dispatched 0,")
    assert "nothing was submitted yet" in answer.err
    ids = [mt("submit", TYPE).out.strip() for _ in range(3)]
    told = mt("status").out
    assert told.startswith("dispatched 3,")
    assert all(task_id in told for task_id in ids)
    document = mt("status", "--json").document
    assert {task["id"] for task in document["tasks"]} == set(ids)
    assert document["counts"]["active_tasks"] == 3
    assert len(mt("status", "--json", "--limit", "2").document["tasks"]) == 2


def test_cancelling_twice_is_fine_and_cancelling_what_has_ended_is_not(
    mt: Callable, dispatcher: TaskDispatcher
) -> None:
    task_id = mt("submit", TYPE).out.strip()
    answer = mt("cancel", task_id, "--reason", "not needed", "--json")
    assert (answer.code, answer.document["state"]) == (0, "cancelled")
    assert dispatcher.get(task_id).cancel_reason == "not needed"
    assert mt("cancel", task_id).code == 0
    assert mt("watch", task_id).code == 1
    ended = completed_task(dispatcher)
    answer = mt("cancel", ended, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "task_conflict")
    assert "completed" in answer.document["error"]["message"]


@pytest.mark.usefixtures("custom_worker")
def test_watching_tells_the_steps_and_the_end(
    mt: Callable, mt_process: Callable[..., RunningProcess], tmp_path: Path
) -> None:
    release = tmp_path / "go"
    payload = f'{{"steps": 4, "until_file": "{release}"}}'
    task_id = mt("submit", TYPE, "--payload", payload).out.strip()
    watching = mt_process("watch", task_id)
    watching.wait_for_line("step 3 第3段")
    release.touch()
    assert watching.wait() == 0
    assert watching.output.splitlines()[-1] == f"{task_id} completed"


def test_a_run_is_watched_with_a_percent_that_never_falls(
    mt_process: Callable[..., RunningProcess], dispatcher: TaskDispatcher
) -> None:
    runs, run = a_run(dispatcher)
    runs.report(run, percent=40.0, message="transcribe 4/9", eta_s=5.0)
    watching = mt_process("watch", run, "--json", COLUMNS="40")
    watching.wait_for_line("40%")
    runs.report(run, percent=20.0, message="again", eta_s=None)  # as a second writer that is late would
    runs.report(run, percent=60.0, message="transcribe 6/9", eta_s=None)
    watching.wait_for_line("60%")
    end_task(dispatcher, run)
    assert watching.wait() == 0
    percents = [int(number) for number in re.findall(r"(\d+)%", watching.output)]
    assert percents == sorted(percents)
    assert '"stages": [' in watching.output


def test_a_followers_percent_stays_when_the_stored_one_falls(dispatcher: TaskDispatcher) -> None:
    runs, run = a_run(dispatcher)
    following = follow(Fleet(dispatcher, runs), run)
    seen = []
    for percent in (40.0, 20.0, 60.0):
        runs.report(run, percent=percent, message="", eta_s=None)
        seen.append(next(following).percent)
    assert seen == [40.0, 40.0, 60.0]


def test_status_shows_a_runs_stages(mt: Callable, dispatcher: TaskDispatcher) -> None:
    runs, run = a_run(dispatcher)
    runs.begin_stage(run, "ingest", total=1, now_ms=1_000)
    runs.close_stage(run, "ingest", now_ms=3_500)
    runs.begin_stage(run, "transcribe", total=9, now_ms=4_000)
    runs.keep_part(run, "transcribe", 0, {"state": "done"}, release=True)
    told = mt("status", run).out
    assert re.search(r"ingest +done +2\.5s", told)
    assert re.search(r"transcribe +running +1/9", told)
    assert run in mt("status").out
    document = mt("status", run, "--json").document
    assert document["run"]["stages"][0]["name"] == "ingest"
    assert "token" not in document["run"]


def test_a_rerun_keeps_the_payload_and_says_what_it_inherits(mt: Callable, dispatcher: TaskDispatcher) -> None:
    payload = '{"audio_files": ["a.wav"], "meeting_type": "weekly_sync"}'
    old = mt("submit", "process_recording", "--payload", payload, "--meeting", "456", "--priority", "low").out.strip()
    answer = mt("rerun", old, "--from", "minutes", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "task_conflict")
    end_task(dispatcher, old)
    answer = mt("rerun", old, "--from", "minutes", "--json")
    assert answer.code == 0
    new = dispatcher.get(answer.document["run_id"])
    assert new.metadata == {"inherits": old, "from_stage": "minutes"}
    assert (new.payload, new.meeting_id, new.priority) == (dispatcher.get(old).payload, 456, Priority.LOW)
    other = mt("submit", TYPE).out.strip()
    assert "has no stages" in mt("rerun", other, "--from", "minutes").err


def test_d1_15_routes_are_listed_added_used_and_removed(mt: Callable, dispatcher: TaskDispatcher) -> None:
    assert mt("submit", "invoice").code == 1
    added = mt("routes", "add", "billing-service", "--queue", "custom_tasks", "--type", "invoice", "--type", "refund")
    assert (added.code, added.out) == (0, "invoice, refund of billing-service now go to custom_tasks\n")
    task_id = mt("submit", "invoice").out.strip()
    assert dispatcher.get(task_id).queue == "custom_tasks"
    rows = mt("routes", "--json").document
    assert {"type": "refund", "service": "billing-service", "queue": "custom_tasks"}.items() <= next(
        row for row in rows if row["type"] == "refund"
    ).items()
    listed = mt("routes", "list", "--queue", "ai_tasks").out
    assert "speech_recognition" in listed
    assert "refund" not in listed
    assert mt("routes", "remove", "billing-service", "--json").document == {"removed": "billing-service"}
    assert mt("routes", "remove", "billing-service").code == 1
    assert mt("submit", "refund").code == 1


def test_a_type_of_the_catalogue_cannot_be_routed_away(mt: Callable) -> None:
    answer = mt("routes", "add", "mine", "--queue", "custom_tasks", "--type", "speech_recognition", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "route_conflict")


def a_run(dispatcher: TaskDispatcher) -> tuple[RunStore, str]:
    accepted = dispatcher.dispatch({"type": "process_recording", "payload": {"audio_files": ["a.wav"]}})
    runs = RunStore(dispatcher.store.client)
    runs.create(accepted.task_id, {"audio_files": ["a.wav"]}, token="t")  # noqa: S106 - a fencing token
    return runs, accepted.task_id


def completed_task(dispatcher: TaskDispatcher) -> str:
    task_id = dispatcher.dispatch({"type": TYPE}).task_id
    end_task(dispatcher, task_id)
    return task_id


def end_task(dispatcher: TaskDispatcher, task_id: str) -> None:
    run = Run(token="t", worker="test", pid=1)  # noqa: S106 - a fencing token
    dispatcher.store.start(task_id, run, retries=0, otherwise={})
    assert dispatcher.store.finish(task_id, "t", End(state=TaskState.COMPLETED, result={})) == "completed"
    eventually(lambda: dispatcher.get_status(task_id) is TaskState.COMPLETED)
