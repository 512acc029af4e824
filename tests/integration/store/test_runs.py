"""The records of pipeline runs."""

from collections.abc import Mapping
from typing import Any

import pytest

from meetingtasks.store import keys
from meetingtasks.store.client import connect
from meetingtasks.store.runs import STAGE_WEIGHTS, RunRecord, RunStore, Stage, percent_of

SPEC = {"meeting_id": 5, "files": ["会议.wav"]}
OWNER, TAKER = "first", "second"


@pytest.fixture
def runs(broker_url: str) -> RunStore:
    return RunStore(connect(broker_url), record_ttl_s=1000)


def read(runs: RunStore, run_id: str = "r1") -> RunRecord:
    record = runs.get(run_id)
    assert record is not None
    return record


def lifetimes_s(runs: RunStore) -> Mapping[str, int]:
    names = runs._client.keys(keys.run("r1") + "*")
    return {name: runs._client.ttl(name) for name in names}


def test_a_run_begins_once_and_a_second_beginning_only_takes_it_over(runs: RunStore) -> None:
    assert runs.create("r1", SPEC, token=OWNER) is True
    assert runs.create("r1", {"other": 1}, token=TAKER) is False
    record = read(runs)
    assert (record.spec, record.token, record.state) == (SPEC, TAKER, "running")
    assert runs.live_ids() == runs.recent_ids() == ["r1"]


def test_an_unknown_run_is_none(runs: RunStore) -> None:
    assert runs.get("r1") is None


def test_a_stage_waits_runs_and_is_closed_by_one(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    assert read(runs).stage("ingest").state == "waiting"
    runs.begin_stage("r1", "ingest", total=2, now_ms=1_000)
    runs.begin_stage("r1", "ingest", total=3, now_ms=2_000)
    stage = read(runs).stage("ingest")
    assert (stage.state, stage.total, stage.started_ms) == ("running", 3, 1_000)
    runs.set_facts("r1", "ingest", {"语言": "zh"})
    assert [runs.close_stage("r1", "ingest", now_ms=n) for n in (3_000, 4_000)] == [True, False]
    stage = read(runs).stage("ingest")
    assert (stage.state, stage.ended_ms, stage.facts) == ("done", 3_000, {"语言": "zh"})
    current = read(runs).current
    assert current is not None
    assert current.name == "denoise"


def test_a_part_is_kept_once(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    assert runs.keep_part("r1", "transcribe", 1, {"text": "二"}, release=False) == 1
    assert runs.keep_part("r1", "transcribe", 1, {"text": "two"}, release=False) == 1
    assert runs.keep_part("r1", "transcribe", 0, {"text": "一"}, release=False) == 2
    assert runs.parts("r1", "transcribe") == {0: {"text": "一", "index": 0}, 1: {"text": "二", "index": 1}}
    assert runs.released("r1") == []


def test_parts_are_released_in_the_order_of_the_recording(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    seen = []
    for index in (2, 0, 3, 1):
        runs.keep_part("r1", "transcribe", index, {}, release=True)
        seen.append([part["index"] for part in runs.released("r1")])
    assert seen == [[], [0], [0], [0, 1, 2, 3]]
    assert [part["index"] for part in runs.released("r1", 2)] == [2, 3]


def set_task(runs: RunStore, state: str) -> None:
    runs._client.hset(keys.task("r1"), "state", state)


def test_a_run_ends_once_as_its_task_and_everything_of_it_gets_a_lifetime(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    runs.keep_part("r1", "transcribe", 0, {}, release=True)
    set_task(runs, "completed")
    assert runs.end("r1", {"coverage": 1.0}) == "completed"
    set_task(runs, "failed")
    assert runs.end("r1", {}) == "completed"
    record = read(runs)
    assert (record.state, record.outcome) == ("completed", {"coverage": 1.0})
    assert record.ended_ms is not None
    assert runs.live_ids() == []
    assert runs.recent_ids() == ["r1"]
    assert all(0 < seconds <= 1000 for seconds in lifetimes_s(runs).values())


def test_a_run_does_not_end_before_its_task(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    set_task(runs, "running")
    assert runs.end("r1", {"coverage": 1.0}) == "running"
    assert (read(runs).state, runs.live_ids()) == ("running", ["r1"])


def test_a_run_whose_task_is_gone_has_failed(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    assert runs.end("r1", {}) == "failed"


def test_a_late_report_on_an_ended_run_leaves_nothing_that_lives_for_ever(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    runs.end("r1", {})
    runs.keep_part("r1", "emotion", 0, {}, release=True)
    assert all(0 < seconds <= 1000 for seconds in lifetimes_s(runs).values())
    assert runs.released("r1") == []


@pytest.mark.parametrize(
    "report",
    [
        lambda runs: runs.keep_part("r1", "emotion", 0, {}, release=True),
        lambda runs: runs.begin_stage("r1", "emotion", total=1, now_ms=1),
        lambda runs: runs.set_facts("r1", "emotion", {}),
        lambda runs: runs.close_stage("r1", "emotion", now_ms=1, skipped=True),
        lambda runs: runs.report("r1", percent=5, message="", eta_s=None),
        lambda runs: runs.next_round("r1", "emotion"),
        lambda runs: runs.end("r1", {}),
    ],
    ids=["part", "begin", "facts", "close", "report", "round", "end"],
)
def test_a_report_on_a_run_that_is_gone_makes_no_new_one(runs: RunStore, report: Any) -> None:
    report(runs)
    assert runs._client.keys("*") == []


def test_how_far_a_run_is_is_kept(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    runs.report("r1", percent=12.5, message="转写", eta_s=3.14159)
    assert (read(runs).percent, read(runs).message, read(runs).eta_s) == (12.5, "转写", 3.1)
    runs.report("r1", percent=13, message="", eta_s=None)
    assert read(runs).eta_s is None


def test_the_rounds_of_a_stage_are_counted(runs: RunStore) -> None:
    runs.create("r1", SPEC, token=OWNER)
    assert [runs.next_round("r1", "transcribe") for _ in range(3)] == [1, 2, 3]


def stages(**states: str) -> list[Stage]:
    return [Stage(name=name, state=states.get(name, "waiting")) for name in STAGE_WEIGHTS]


def test_the_percent_grows_by_the_weights_and_a_skipped_stage_gives_its_share_away() -> None:
    assert percent_of(stages()) == 0
    assert percent_of(stages(ingest="done", denoise="done")) == 15
    assert percent_of(stages(ingest="done", denoise="skipped")) == pytest.approx(3 / 88 * 100, abs=0.05)
    assert percent_of(stages(**dict.fromkeys(STAGE_WEIGHTS, "done"))) == 100
    assert percent_of(stages(**dict.fromkeys(STAGE_WEIGHTS, "skipped"))) == 100


def test_a_stage_counts_by_its_parts_and_never_above_its_share() -> None:
    half = Stage(name="transcribe", state="running", done=5, total=10)
    over = Stage(name="transcribe", state="running", done=15, total=10)
    others = [stage for stage in stages() if stage.name != "transcribe"]
    assert percent_of([*others, half]) == 25
    assert percent_of([*others, over]) == 50
