"""Whatever producers, workers and operators do to tasks in whatever order, each task has one life and one end."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from meetingtasks.records import Progress, TaskError, TaskRecord
from meetingtasks.states import FINAL, MOVES, TaskState
from meetingtasks.store import keys
from meetingtasks.store.client import connect
from meetingtasks.store.tasks import End, Refused, Run, TaskStore

# mostly one of two live tasks, so that lives get long; now and then one that may have ended
PLACES = st.sampled_from([0, 0, 0, 1, 1, -1])
WORKERS = st.sampled_from(["ai@one", "ai@two"])
WHO = st.sampled_from(["owner", "owner", "owner", "earlier owner", "stranger"])
ENDS = st.sampled_from(sorted(FINAL))
RARELY = st.sampled_from([False, False, False, False, True])
VALUES = {"type": "transcode", "name": "transcode", "service": "media", "queue": "media_tasks"}
ERROR = TaskError(code="error", error_class="network", message="连接被重置")


@dataclass
class Known:
    """What the machine knows about one task."""

    state: TaskState
    expired: bool = False
    token: str = ""
    worker: str = ""
    earlier: list[str] = field(default_factory=list)
    retries: int = 0
    cancel: bool = False
    outcomes: list[str] = field(default_factory=list)
    percent: float = 0
    dead: bool = False

    def move(self, state: TaskState) -> None:
        """Change the state, which only allowed moves may do."""
        assert state is self.state or state in MOVES[self.state], f"{self.state} -> {state}"
        self.state = state

    def token_of(self, who: str) -> str:
        if who == "owner":
            return self.token or "nobody's"
        return self.earlier[-1] if who == "earlier owner" and self.earlier else "stranger's"


class LifeMachine(RuleBasedStateMachine):
    """A model of the tasks beside the real store."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.store = TaskStore(connect(url), record_ttl_s=1000)
        self.store.client.flushall()
        self.known: dict[str, Known] = {}
        self.counted: Counter[str] = Counter()
        self.tokens = map("token-{}".format, count())
        self.names = map("task-{}".format, count())

    def pick(self, place: int) -> tuple[str, Known]:
        """Return a live task (0 or 1), or the one that was changed longest ago (-1)."""
        while len(live := [task_id for task_id, task in self.known.items() if not task.state.is_final]) <= place:
            self.accept(next(self.names), planned=False, expired=False)
        task_id = live[place] if place >= 0 and live else next(iter(self.known), "unknown")
        return task_id, self.known.get(task_id, Known(TaskState.PENDING))

    # ---- what a producer does

    @rule(planned=st.booleans(), expired=RARELY)
    def create(self, planned: bool, expired: bool) -> None:
        self.accept(next(self.names), planned=planned, expired=expired)

    @rule(place=PLACES)
    def create_again(self, place: int) -> None:
        task_id, _ = self.pick(place)
        if task_id in self.known:
            self.accept(task_id, planned=False, expired=False)

    def accept(self, task_id: str, *, planned: bool, expired: bool) -> None:
        state = TaskState.SCHEDULED if planned else TaskState.PENDING
        values = {**VALUES, "state": state.value, "expires_ms": 1 if expired else None}
        accepted = self.store.create(task_id, values)
        assert accepted is (task_id not in self.known)
        if accepted:
            self.known[task_id] = Known(state, expired=expired)
            self.counted["dispatched"] += 1

    # ---- what workers do

    @rule(place=PLACES, worker=WORKERS, older=st.booleans())
    def start(self, place: int, worker: str, older: bool) -> None:
        task_id, task = self.pick(place)
        if task_id not in self.known:
            return
        retries = task.retries - 1 if older and task.retries else task.retries
        token = next(self.tokens)
        told = self.store.start(task_id, Run(token=token, worker=worker, pid=1), retries=retries, otherwise={})
        if task.state.is_final:
            assert told == Refused(task.state.value)
        elif retries < task.retries:
            assert told == Refused("stale")
        else:
            self._lose(task)
            if task.cancel or task.expired:
                self._end(task, TaskState.CANCELLED if task.cancel else TaskState.EXPIRED)
                assert told == Refused(task.state.value)
            else:
                assert isinstance(told, TaskRecord)
                self._begin(task, token, worker)

    @rule(
        place=st.integers(0, 1),
        worker=WORKERS,
        percents=st.lists(st.floats(0, 100), max_size=3),
        retries=st.booleans(),
        who=WHO,
    )
    def attempt(self, place: int, worker: str, percents: list[float], retries: bool, who: str) -> None:
        """Run a usual attempt: it starts, reports, and is retried or lost."""
        self.start(place, worker, older=False)
        for percent in percents:
            self.report(place, "owner", percent)
        if retries:
            self.retry(place, who, 1)

    def _lose(self, task: Known) -> None:
        if task.state is TaskState.RUNNING:
            task.outcomes[-1] = "lost"
            self.counted["lost"] += 1

    def _begin(self, task: Known, token: str, worker: str) -> None:
        task.earlier += [task.token] if task.token else []
        task.move(TaskState.RUNNING)
        task.token, task.worker, task.percent = token, worker, 0
        task.outcomes.append("running")
        self.counted["started"] += 1

    @rule(place=PLACES, who=WHO, percent=st.floats(0, 100))
    def report(self, place: int, who: str, percent: float) -> None:
        task_id, task = self.pick(place)
        if task_id not in self.known:
            return
        token = task.token_of(who)
        told = self.store.progress(task_id, token, Progress(percent=percent, message="第三步"))
        if task.state is not TaskState.RUNNING or token != task.token:
            assert told == "lost"
        else:
            assert told == ("cancel" if task.cancel else "ok")
            task.percent = max(task.percent, percent)

    @rule(place=PLACES, who=WHO, state=ENDS, dead=st.booleans())
    def finish(self, place: int, who: str, state: TaskState, dead: bool) -> None:
        task_id, task = self.pick(place)
        if task_id not in self.known:
            return
        token = task.token_of(who)
        error = ERROR if state in (TaskState.FAILED, TaskState.TIMEOUT) else None
        told = self.store.finish(task_id, token, End(state=state, error=error, dead=dead and error is not None))
        self._expect_end(task, told, owns=token == task.token, state=state, dead=dead and error is not None)

    @rule(place=PLACES, worker=WORKERS, early=RARELY)
    def time_out(self, place: int, worker: str, early: bool) -> None:
        """End a run by its worker's main process, which has no token."""
        task_id, task = self.pick(place)
        if task_id not in self.known or (task.state is not TaskState.RUNNING and not early):
            return
        end = End(state=TaskState.TIMEOUT, error=ERROR, dead=True)
        told = self.store.finish(task_id, "", end, worker=worker)
        owns = task.state is not TaskState.RUNNING or worker == task.worker
        self._expect_end(task, told, owns=owns, state=TaskState.TIMEOUT, dead=True)

    def _expect_end(self, task: Known, told: str, *, owns: bool, state: TaskState, dead: bool) -> None:
        if task.state.is_final:
            assert told == task.state
        elif not owns:
            assert told == "lost"
        else:
            ends_as = TaskState.CANCELLED if task.cancel else state
            assert told == ends_as
            if task.state is TaskState.RUNNING:
                task.outcomes[-1] = ends_as.value
            task.dead = dead and not task.cancel
            self.counted["dead"] += task.dead
            self._end(task, ends_as)

    def _end(self, task: Known, state: TaskState) -> None:
        task.move(state)
        task.token = ""
        task.percent = 100 if state is TaskState.COMPLETED else task.percent
        self.counted[state.value] += 1

    @rule(place=PLACES, who=WHO, further=st.integers(0, 2))
    def retry(self, place: int, who: str, further: int) -> None:
        task_id, task = self.pick(place)
        if task_id not in self.known:
            return
        token, retries = task.token_of(who), task.retries + further
        planned = self.store.retry(task_id, retries, token=token, eta_ms=None, why="连接被重置")
        owns = task.state is TaskState.RUNNING and token == task.token
        assert planned is (owns and further > 0 and not task.cancel)
        if planned:
            task.earlier.append(task.token)
            task.move(TaskState.RETRYING)
            task.token, task.retries = "", retries
            task.outcomes[-1] = "retrying"
            self.counted["retried"] += 1

    # ---- what operators do

    @rule(place=PLACES, early=RARELY)
    def cancel(self, place: int, early: bool) -> None:
        task_id, task = self.pick(place)
        if not task.outcomes and not early:
            return
        told = self.store.cancel(task_id, reason="会议取消")
        if task_id not in self.known:
            assert told == "unknown"
        elif task.state.is_final or task.state is TaskState.RUNNING:
            assert told == task.state
            task.cancel = task.cancel or task.state is TaskState.RUNNING
        else:
            assert told == "cancelled"
            self._end(task, TaskState.CANCELLED)

    @rule(place=PLACES)
    def forget(self, place: int) -> None:
        task_id, task = self.pick(place)
        self.store.forget(task_id)
        if task.state.is_final and not task.dead:
            del self.known[task_id]
            assert self.store.get(task_id) is None

    # ---- what holds at all times

    @invariant()
    def each_record_tells_the_task_as_it_is(self) -> None:
        for (task_id, task), record in zip(self.known.items(), self.store.get_many(self.known), strict=True):
            assert record is not None, task_id
            assert (record.state, record.retries, record.dead) == (task.state, task.retries, task.dead)
            assert [attempt.outcome for attempt in record.attempts] == task.outcomes
            assert [attempt.attempt for attempt in record.attempts] == list(range(1, len(task.outcomes) + 1))
            assert abs(record.progress.percent - task.percent) <= task.percent / 1000

    @invariant()
    def the_indexes_point_to_the_records_and_back(self) -> None:
        live = {task_id for task_id, task in self.known.items() if not task.state.is_final}
        assert set(self.store.live_ids()) == live
        assert set(self.store.dead_ids()) == {task_id for task_id, task in self.known.items() if task.dead}

    @invariant()
    def the_counters_add_up(self) -> None:
        counts = self.store.counts()
        assert {name: n for name, n in counts.items() if ":" not in name} == {
            n: c for n, c in self.counted.items() if c
        }
        assert all(counts[f"media_tasks:{name}"] == number for name, number in self.counted.items() if number)
        assert counts.get("dispatched", 0) == self.store.live_count() + sum(counts.get(state, 0) for state in FINAL)

    @invariant()
    def only_ended_tasks_that_are_not_dead_have_a_lifetime(self) -> None:
        for task_id, task in self.known.items():
            ends = self.store.client.ttl(keys.task(task_id)) > 0
            assert ends is (task.state.is_final and not task.dead)

    @invariant()
    def every_change_is_told_once(self) -> None:
        told = Counter(fields["event"] for _, fields in self.store.client.xrange(keys.STREAM))
        names = {"dispatched": "created", "retried": "retrying"}
        silent = {"lost", "dead"}
        assert told == Counter(
            {names.get(name, name): number for name, number in self.counted.items() if number and name not in silent}
        )


@pytest.mark.timeout(400)  # thousands of steps on a real server, on a machine that may be busy
def test_each_task_has_one_life_and_one_end(broker_url: str) -> None:
    run_state_machine_as_test(
        lambda: LifeMachine(broker_url),  # type: ignore[arg-type] # any maker of machines will do
        settings=settings(max_examples=30, stateful_step_count=50),
    )
