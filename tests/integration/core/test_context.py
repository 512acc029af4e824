"""What a running task reports: at most five writes a second, the newest always, the percent never back."""

import threading
from typing import Any

import pytest

from meetingtasks.clock import SYSTEM, ManualClock
from meetingtasks.context import PROGRESS_INTERVAL_S, TaskContext, detached
from meetingtasks.embedded import EmbeddedServer
from meetingtasks.errors import TaskCancelled, TaskTimeout
from meetingtasks.limits import AttemptLimits
from meetingtasks.records import Progress, TaskRecord
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import End, Run, TaskStore, Told
from tests.support.eventually import eventually

RUN = Run(token="owner", worker="w", pid=1)  # noqa: S106 - a fencing token is no secret
VALUES = {"type": "transcode", "name": "transcode", "service": "media", "queue": "media_tasks", "state": "pending"}


class RecordingStore(TaskStore):
    """The real store, which also counts what it is asked."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.written: list[Progress] = []
        self.questions = 0

    def progress(self, task_id: str, token: str, progress: Progress) -> Told:
        self.written.append(progress)
        return super().progress(task_id, token, progress)

    def cancel_asked(self, task_id: str, token: str) -> bool:
        self.questions += 1
        return super().cancel_asked(task_id, token)


@pytest.fixture
def store(broker_url: str) -> RecordingStore:
    return RecordingStore(connect(broker_url))


def started(store: TaskStore, clock: ManualClock | None = None, run: Run = RUN) -> TaskContext:
    store.create("t1", VALUES)
    record = store.start("t1", run, retries=0, otherwise={})
    assert isinstance(record, TaskRecord)
    timed = {"clock": clock, "limits": AttemptLimits(clock=clock)} if clock else {}
    return TaskContext(record=record, token=run.token, store=store, **timed)


def read(store: TaskStore) -> Progress:
    record = store.get("t1")
    assert record is not None
    return record.progress


def test_d4_10_the_first_report_is_readable_at_once(store: RecordingStore) -> None:
    started(store).progress(50, "正在生成内容...")
    assert (read(store).percent, read(store).message) == (50, "正在生成内容...")


def test_d4_11_steps_become_percent_and_keep_their_fields(store: RecordingStore) -> None:
    started(store).step("内容生成", 2, 5, "正在生成第3段内容...")
    told = read(store)
    assert (told.percent, told.step, told.completed_steps, told.total_steps) == (40, "内容生成", 2, 5)


def test_a_second_of_reports_is_five_writes(store: RecordingStore) -> None:
    clock, start_s = ManualClock(), SYSTEM.monotonic_s()
    context = started(store, clock)
    for n in range(100):
        context.progress(n / 2)
        context.step("encode", n, 200)
        clock.advance(0.01)
    on_timers = (SYSTEM.monotonic_s() - start_s) / PROGRESS_INTERVAL_S  # these go by the wall's time
    assert 5 <= len(store.written) <= 6 + on_timers  # one more for the change of the step


def test_d4_11_a_step_that_is_over_at_once_is_told_all_the_same(store: RecordingStore) -> None:
    context = started(store)
    for number, name in enumerate(("下载", "转码", "上传", "通知")):
        context.step(name, number, 4)
    assert [told.step for told in store.written] == ["下载", "转码", "上传", "通知"]


def test_an_extension_moves_the_limit(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    context.limit(5)
    clock.advance(4)
    assert context.extend(10) == pytest.approx(11)
    clock.advance(10.9)
    context.check()
    clock.advance(0.2)
    with pytest.raises(TaskTimeout, match="15 s"):
        context.check()


def test_the_newest_report_arrives_although_nothing_is_reported_after_it(store: RecordingStore) -> None:
    context = started(store)
    context.progress(10, "first")
    context.progress(50, "second")
    context.progress(60, "third")
    assert eventually(lambda: read(store).message == "third", within_s=PROGRESS_INTERVAL_S + 5)
    assert [told.percent for told in store.written] == [10, 60]


def test_a_flush_writes_the_newest_once_and_needs_no_timer_any_more(store: RecordingStore) -> None:
    context = started(store)
    context.progress(10)
    context.progress(20, "last")
    context.flush()
    context.flush()
    assert [told.percent for told in store.written] == [10, 20]
    assert context._later is None


def test_i15_the_percent_never_falls_and_stays_within_bounds(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    seen = []
    for percent in (-5, 30, 10, float("nan"), 70, 250, float("inf"), 5):
        context.progress(percent)
        context.flush()
        seen.append(read(store).percent)
        clock.advance(1)
    assert seen == [0, 30, 30, 30, 70, 100, 100, 100]


def test_a_step_of_no_steps_is_no_error(store: RecordingStore) -> None:
    context = started(store)
    context.step("empty", 0, 0)
    assert read(store).percent == 0


def test_reports_from_many_threads_lose_nothing(store: RecordingStore) -> None:
    context = started(store)
    threads = [threading.Thread(target=context.progress, args=(percent,)) for percent in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.flush()
    assert read(store).percent == 99


def test_a_cancellation_stops_the_next_report_and_the_next_check(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    store.cancel("t1")
    with pytest.raises(TaskCancelled):
        context.progress(5)
    assert context.cancelled()
    with pytest.raises(TaskCancelled):
        context.check()


def test_a_busy_check_asks_the_store_rarely(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    for _ in range(1000):
        assert not context.cancelled()
        clock.advance(0.01)
    assert store.questions <= 26
    store.cancel("t1")
    clock.advance(0.5)
    assert context.cancelled()


def test_an_attempt_that_was_taken_over_stops(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    started(store, run=Run(token="taker", worker="w2", pid=2))  # noqa: S106 - a fencing token is no secret
    with pytest.raises(TaskCancelled):
        context.progress(5)
    assert read(store).percent == 0


def test_a_limit_ends_the_attempt_at_the_next_check(store: RecordingStore) -> None:
    clock = ManualClock()
    context = started(store, clock)
    context.limit(5)
    clock.advance(5)
    assert not context.cancelled()
    clock.advance(0.1)
    with pytest.raises(TaskTimeout, match="5 s"):
        context.check()


def test_a_task_goes_on_while_the_store_is_away_and_reports_when_it_is_back() -> None:
    with EmbeddedServer() as server:
        store = RecordingStore(connect(server.url))
        clock = ManualClock()
        context = started(store, clock)
        server.kill()
        context.progress(30, "nobody hears this")
        assert not context.cancelled()
        server.restart()
        clock.advance(1)
        context.progress(40, "第二")
        assert (read(store).percent, read(store).message) == (40, "第二")
        assert store.finish("t1", RUN.token, End(state=TaskState.COMPLETED)) == "completed"


def test_a_task_that_is_called_directly_reports_to_nobody() -> None:
    context = detached("transcode", meeting_id=5)
    context.progress(50)
    context.step("encode", 1, 2)
    context.check()
    assert (context.task_id, context.attempt, context.record.meeting_id) == ("direct", 1, 5)
