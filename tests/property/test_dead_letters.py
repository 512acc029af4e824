"""Whatever happens to tasks: the dead ones are listed once, the waiting ones queued once, and the counters add up."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from meetingtasks.dead_letters import Where
from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.states import FINAL, TaskState
from meetingtasks.store import keys
from tests.support.dead_letters import Graveyard

IDS = st.integers(0, 7).map("task-{}".format)
CODES = st.sampled_from(["dns", "disk_full"])


class LetterMachine(RuleBasedStateMachine):
    """A model of some tasks beside the real store and queue."""

    def __init__(self, yard: Graveyard) -> None:
        super().__init__()
        self.yard = yard
        yard.store.client.flushall()
        self.dead: dict[str, str] = {}  # id -> code of the error
        self.waiting: set[str] = set()
        self.over: set[str] = set()
        self.generations: Counter[str] = Counter()
        self.acts: Counter[str] = Counter()

    @rule(task_id=IDS, code=CODES)
    def die(self, task_id: str, code: str) -> None:
        if task_id in self.waiting:
            queue = self.yard.queue()
            held = {message.id.partition(":")[0]: message for message in queue.fetch(100, consumer="me")}
            queue.ack([held.pop(task_id)])
            if held:
                queue.release(list(held.values()))
            self.yard.fail(task_id, code=code)
        elif task_id not in self.dead and task_id not in self.over:
            self.yard.bury(task_id, code=code)
        else:
            return
        self.waiting.discard(task_id)
        self.dead[task_id] = code

    @rule(ids=st.lists(IDS, max_size=4))
    def requeue(self, ids: list[str]) -> None:
        outcome = self.yard.letters.requeue(ids, actor="me")
        self._went(set(ids) & set(self.dead), outcome.task_ids)

    @rule(code=CODES, limit=st.integers(1, 3))
    def requeue_matching(self, code: str, limit: int) -> None:
        outcome = self.yard.letters.requeue_matching(Where(code=code), actor="me", limit=limit)
        meant = {task_id for task_id, of in self.dead.items() if of == code}
        assert len(outcome.task_ids) == min(limit, len(meant))
        assert set(outcome.task_ids) <= meant
        self._went(set(outcome.task_ids), outcome.task_ids)

    def _went(self, expected: set[str], went: tuple[str, ...]) -> None:
        assert sorted(expected) == sorted(went)
        for task_id in went:
            del self.dead[task_id]
            self.waiting.add(task_id)
            self.generations[task_id] += 1
            self.acts["requeue"] += 1

    @rule(ids=st.lists(IDS, max_size=3))
    def purge(self, ids: list[str]) -> None:
        letters = set(ids) & set(self.dead)
        assert self.yard.letters.purge(ids, actor="me") == len(letters)
        for task_id in letters:
            del self.dead[task_id]
            self.over.add(task_id)
            self.acts["purge"] += 1

    @rule(task_id=IDS)
    def edit(self, task_id: str) -> None:
        if task_id in self.dead:
            self.yard.letters.edit(task_id, {"echo": "corrected"}, actor="me")
            self.acts["edit"] += 1

    @invariant()
    def dead_is_listed_and_waiting_is_queued_once(self) -> None:
        letters = self.yard.letters
        assert sorted(self.yard.store.dead_ids()) == sorted(self.dead)
        assert sorted(self.yard.waiting()) == sorted(self.waiting)
        assert letters.count() == len(self.dead)
        groups = {group.code: group.count for group in letters.groups()}
        assert groups == dict(Counter(self.dead.values()))
        assert letters.count(Where(code="dns")) == groups.get("dns", 0)

    @invariant()
    def the_records_say_the_same(self) -> None:
        for task_id in {*self.dead, *self.waiting, *self.over}:
            record = self.yard.record(task_id)
            assert record.dead is (task_id in self.dead)
            assert record.state is (TaskState.PENDING if task_id in self.waiting else TaskState.FAILED)
            assert record.generation == self.generations[task_id] + 1
            assert len(record.earlier) == self.generations[task_id]
            assert (self.yard.store.client.ttl(keys.task(task_id)) > 0) is (task_id in self.over)

    @invariant()
    def the_counters_and_the_audit_add_up(self) -> None:
        counts = self.yard.store.counts()
        begun = counts.get("dispatched", 0) + counts.get("requeued", 0)
        assert begun == self.yard.store.live_count() + sum(counts.get(state, 0) for state in FINAL)
        assert counts.get("dead", 0) == len(self.dead) + counts.get("requeued", 0) + counts.get("purged", 0)
        assert Counter(act["action"] for act in self.yard.letters.audit(10_000)) == self.acts


@pytest.fixture
def yard(broker_url: str) -> Iterator[Graveyard]:
    with TaskDispatcher(broker_url) as dispatcher:
        yield Graveyard(dispatcher)


def test_a_task_is_dead_exactly_when_it_is_listed_and_waits_exactly_when_it_is_queued(yard: Graveyard) -> None:
    run_state_machine_as_test(
        lambda: LetterMachine(yard),  # type: ignore[arg-type] # any maker of machines will do
        settings=settings(max_examples=30, stateful_step_count=25),
    )
