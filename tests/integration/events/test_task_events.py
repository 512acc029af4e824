"""The events of tasks and of recordings' transcripts, which the store tells in the scripts that make the changes."""

from collections.abc import Callable

import pytest

from meetingtasks.events import Event, RedisPubSubQueue
from meetingtasks.events.facts.ai import TranscriptGap, TranscriptSegment
from meetingtasks.events.facts.task import TaskCompleted, TaskProgress, TaskRetrying, TaskStarted
from meetingtasks.records import Progress
from meetingtasks.states import TaskState
from meetingtasks.store.client import connect
from meetingtasks.store.runs import RunStore
from meetingtasks.store.tasks import End, Run, TaskStore
from tests.support.eventually import eventually

OpenBus = Callable[..., RedisPubSubQueue]
FIRST = "owner"
VALUES = {"type": "transcode", "name": "meetingtasks.media.transcode", "service": "media", "queue": "media_tasks"}


@pytest.fixture
def store(broker_url: str) -> TaskStore:
    return TaskStore(connect(broker_url))


def run(token: str) -> Run:
    return Run(token=token, worker="media@host", pid=1)


@pytest.mark.parametrize("meeting_id", [456, "room 7", None])
def test_every_change_of_a_task_is_one_event_for_listeners_and_late_readers(
    open_bus: OpenBus, store: TaskStore, meeting_id: int | str | None
) -> None:
    heard: list[Event] = []
    bus = open_bus()
    bus.subscribe("task_events", heard.append)
    bus.start()
    store.create("t1", {**VALUES, "state": "pending", "priority": "high", "meeting_id": meeting_id})
    store.start("t1", run(FIRST), retries=0, otherwise={})
    store.progress("t1", FIRST, Progress(percent=40, step="转码", completed_steps=1, total_steps=4, message="正在转码"))
    store.retry("t1", 1, token=FIRST, eta_ms=None, why="connection reset")
    store.start("t1", run("b"), retries=1, otherwise={})
    store.finish("t1", "b", End(state=TaskState.COMPLETED))
    names = ["created", "started", "progress", "retrying", "started", "completed"]
    eventually(lambda: [event.type for event in heard] == [f"task.{name}" for name in names])
    assert {(event.task_id, event.meeting_id, event.source) for event in heard} == {("t1", meeting_id, "store")}
    assert [event for event in heard if event.message_id] == list(bus.since("task_events"))
    _, started, progress, retrying, _, completed = (event.fact for event in heard)
    about = {"task_id": "t1", "task_type": "transcode", "queue": "media_tasks", "meeting_id": meeting_id}
    assert started == TaskStarted(**about, attempt=1, worker="media@host")
    assert retrying == TaskRetrying(**about, attempt=1, retries=1, error="connection reset")
    assert completed == TaskCompleted(**about, attempt=2)
    steps = {"percent": 40, "step": "转码", "completed_steps": 1, "total_steps": 4, "message": "正在转码"}
    assert progress == TaskProgress(**about, attempt=1, **steps)


def test_other_events_of_the_channel_stand_between_the_changes_of_tasks(open_bus: OpenBus, store: TaskStore) -> None:
    bus = open_bus()
    store.create("t1", {**VALUES, "state": "pending", "priority": "high"})
    bus.publish("task_events", {"type": "pipeline.completed", "payload": {"pipeline_id": "t1", "task_id": "t1"}})
    store.cancel("t1", reason="not needed")
    types = [event.type for event in bus.since("task_events")]
    assert types == ["task.created", "pipeline.completed", "task.cancelled"]


def test_segments_and_gaps_are_told_in_the_order_of_the_recording_and_once(open_bus: OpenBus, store: TaskStore) -> None:
    heard: list[Event] = []
    bus = open_bus()
    bus.subscribe("ai_events", heard.append)
    bus.start()
    runs = RunStore(store.client)
    runs.create("r1", {"meeting_id": 9}, token=FIRST)

    def part(index: int, *texts: str) -> None:
        segments = [{"start_ms": 10 * index, "end_ms": 10 * index + 9, "text": text} for text in texts]
        runs.keep_part("r1", "transcribe", index, {"state": "done", "segments": segments}, release=True)

    part(2, "third")
    part(0, "first", "又")
    part(0, "again")  # a repeat changes nothing
    runs.keep_part("r1", "transcribe", 1, {"state": "gap", "reason": "the engine failed"}, release=True)
    eventually(lambda: len(heard) == 4)
    facts = [event.fact for event in heard]
    about = {"pipeline_id": "r1", "meeting_id": 9}
    assert facts == [
        TranscriptSegment(**about, index=0, start_ms=0, end_ms=9, text="first"),
        TranscriptSegment(**about, index=0, start_ms=0, end_ms=9, text="又"),
        TranscriptGap(**about, index=1, reason="the engine failed"),
        TranscriptSegment(**about, index=2, start_ms=20, end_ms=29, text="third"),
    ]
    assert heard == list(bus.since("ai_events"))
